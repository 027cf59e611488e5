"""Every GraphQL operation is right by Shopify's own schema of the version that we call."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    build_schema,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.values import VariableValues, get_variable_values

from app.domain.ports import CouponSpec
from integrations.shopify import operations
from integrations.shopify.client import operation_text
from integrations.shopify.coupons import coupon_variables

SDL = Path(__file__).parents[1] / "data" / "shopify_admin_schema.graphql.gz"
SPEC = CouponSpec(
    code="BACK-7F3KQ2WX",
    percent=15,
    title="Abandoned cart, 15 %",
    starts_at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
    expires_at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
)
# What each operation is called with.
VARIABLES: dict[str, dict[str, object]] = {
    "coupon_create": coupon_variables(SPEC),
    "coupon_by_code": {"code": SPEC.code},
}
NAMES = sorted(path.stem for path in Path(operations.__path__[0]).glob("*.graphql"))


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    # 6 s and 91 MB: once for the run.
    return build_schema(gzip.decompress(SDL.read_bytes()).decode(), assume_valid=True, assume_valid_sdl=True)


def document(name: str) -> DocumentNode:
    return parse(operation_text(name))


def test_every_operation_is_tried_with_variables() -> None:
    assert set(NAMES) == set(VARIABLES)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_valid_and_uses_nothing_deprecated(schema: GraphQLSchema, name: str) -> None:
    assert validate(schema, document(name), [*specified_rules, NoDeprecatedCustomRule]) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_file_holds_one_operation_so_that_none_need_be_named(name: str) -> None:
    assert len(document(name).definitions) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_variables_are_what_the_schema_asks_for(schema: GraphQLSchema, name: str) -> None:
    (definition,) = document(name).definitions
    assert isinstance(definition, OperationDefinitionNode)

    read = get_variable_values(schema, definition.variable_definitions or (), VARIABLES[name])

    assert isinstance(read, VariableValues)
    assert read.coerced == VARIABLES[name]


def test_the_schema_refuses_a_variable_that_it_does_not_know(schema: GraphQLSchema) -> None:
    (definition,) = document("coupon_create").definitions
    assert isinstance(definition, OperationDefinitionNode)

    wrong = {"d": {"code": "X", "discount": 10}}

    assert not isinstance(get_variable_values(schema, definition.variable_definitions or (), wrong), VariableValues)
