"""Every GraphQL operation is right by Shopify's own schema, and the app asks for what they need and no more."""

import gzip
import tomllib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    GraphQLEnumType,
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
from integrations.shopify import operations, topics
from integrations.shopify.coupons import coupon_variables
from integrations.shopify.documents import REPEATABLE_MUTATIONS, is_query, is_repeatable, operation_text
from integrations.shopify.scopes import OPERATION_SCOPES, TOPIC_SCOPES, missing_scopes, needed_scopes

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
    "AbandonedCheckouts": {"first": 25, "after": None, "q": "created_at:>='2026-11-19T11:50:00Z'"},
    "ConsentUpdate": {
        "input": {
            "customerId": "gid://shopify/Customer/7",
            "emailMarketingConsent": {
                "marketingState": "UNSUBSCRIBED",
                "marketingOptInLevel": "SINGLE_OPT_IN",
                "consentUpdatedAt": "2026-11-19T12:00:00Z",
            },
        }
    },
    "CountCheckouts": {"q": "recovery_state:not_recovered"},
    "CountCustomers": {"q": None},
    "CountOrders": {"q": "created_at:>='2026-11-01T00:00:00Z'"},
    "CountProducts": {"q": None},
    "CouponByCode": {"code": SPEC.code},
    "CouponCreate": coupon_variables(SPEC),
    "CouponDeactivate": {"id": "gid://shopify/DiscountCodeNode/7"},
    "CustomerByEmail": {"email": "alice@example.com"},
    "CustomerById": {"id": "gid://shopify/Customer/7"},
    "CustomersSince": {"first": 100, "after": None, "q": "updated_at:>='2026-11-19T11:50:00Z'"},
    "CustomerOrders": {"id": "gid://shopify/Customer/7", "after": None},
    "Existing": {"ids": ["gid://shopify/Order/7"]},
    "OrderByCheckout": {"q": "checkout_token:8f2b"},
    "OrderLines": {"id": "gid://shopify/Order/7", "first": 150, "after": None},
    "OrdersSince": {"first": 25, "after": None, "q": "updated_at:>='2026-11-19T11:50:00Z'"},
    "Products": {"first": 25, "after": "cursor", "q": None},
    "ShopInfo": {},
    "ShopLocales": {},
    "TagsAdd": {"id": "gid://shopify/Customer/7", "tags": ["vip"]},
    "TagsRemove": {"id": "gid://shopify/Customer/7", "tags": ["vip"]},
    "Webhooks": {"after": None},
}
MANIFEST = tomllib.loads((Path(__file__).parents[2] / "shopify.app.toml").read_text(encoding="utf-8"))
NAMES = sorted(path.stem for path in Path(operations.__path__[0]).glob("*.graphql"))


@cache
def real_schema() -> GraphQLSchema:
    """Build Shopify's schema: 6 s and 91 MB, once for the run."""
    return build_schema(gzip.decompress(SDL.read_bytes()).decode(), assume_valid=True, assume_valid_sdl=True)


@pytest.fixture(scope="session")
def schema() -> GraphQLSchema:
    return real_schema()


def document(name: str) -> DocumentNode:
    return parse(operation_text(name))


def operation(name: str) -> OperationDefinitionNode:
    """The one operation of a file, whatever fragments stand beside it."""
    (found,) = (each for each in document(name).definitions if isinstance(each, OperationDefinitionNode))
    return found


def test_every_operation_is_tried_with_variables() -> None:
    assert set(NAMES) == set(VARIABLES)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_is_valid_and_uses_nothing_deprecated(schema: GraphQLSchema, name: str) -> None:
    assert validate(schema, document(name), [*specified_rules, NoDeprecatedCustomRule]) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_file_holds_the_one_operation_that_it_is_named_after(name: str) -> None:
    found = operation(name).name

    assert found is not None
    assert found.value == name


@pytest.mark.parametrize("name", NAMES)
def test_the_variables_are_what_the_schema_asks_for(schema: GraphQLSchema, name: str) -> None:
    read = get_variable_values(schema, operation(name).variable_definitions or (), VARIABLES[name])

    assert isinstance(read, VariableValues)
    assert read.coerced == VARIABLES[name]


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_of_an_operation_is_given_one(name: str) -> None:
    assert {each.variable.name.value for each in operation(name).variable_definitions or ()} == set(VARIABLES[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_mutation_asks_what_was_wrong(name: str) -> None:
    is_mutation = operation(name).operation.value == "mutation"

    assert is_mutation is not is_query(name)
    assert is_mutation is ("userErrors {" in operation_text(name))


def test_queries_and_the_named_mutations_may_be_sent_twice() -> None:
    queries = {name for name in NAMES if is_query(name)}

    assert set(NAMES) - queries >= REPEATABLE_MUTATIONS
    assert {name for name in NAMES if is_repeatable(name)} == queries | REPEATABLE_MUTATIONS


def test_the_schema_refuses_a_variable_that_it_does_not_know(schema: GraphQLSchema) -> None:
    wrong = {"d": {"code": "X", "discount": 10}}
    definitions = operation("CouponCreate").variable_definitions or ()

    assert not isinstance(get_variable_values(schema, definitions, wrong), VariableValues)


# ---- what the app asks for: shopify.app.toml


def test_every_operation_and_every_topic_names_its_scopes() -> None:
    assert set(OPERATION_SCOPES) == set(NAMES)
    assert set(TOPIC_SCOPES) == set(topics.TOPICS)


def test_the_app_asks_for_the_scopes_that_are_needed_and_no_more() -> None:
    asked = MANIFEST["access_scopes"]["scopes"].split(",")

    assert asked == sorted(needed_scopes())
    assert "optional_scopes" not in MANIFEST["access_scopes"]


def test_a_write_implies_its_read() -> None:
    assert missing_scopes(frozenset({"write_customers", "read_orders"})) == {
        "read_fulfillments",
        "read_locales",
        "read_products",
        "write_discounts",
    }
    assert missing_scopes(needed_scopes()) == frozenset()


def test_the_app_subscribes_to_what_we_understand_and_to_the_law(schema: GraphQLSchema) -> None:
    listed = [topic for each in MANIFEST["webhooks"]["subscriptions"] for topic in each.get("topics", ())]
    compliance = [topic for each in MANIFEST["webhooks"]["subscriptions"] for topic in each.get("compliance_topics", ())]
    known = schema.get_type("WebhookSubscriptionTopic")

    assert sorted(listed) == sorted(topics.TOPICS)
    assert sorted(compliance) == sorted(topics.COMPLIANCE_TOPICS)
    assert isinstance(known, GraphQLEnumType)
    assert {topic.replace("/", "_").replace(".", "_").upper() for topic in listed} <= set(known.values)


def test_the_app_speaks_one_version() -> None:
    assert MANIFEST["webhooks"]["api_version"] == topics.API_VERSION == "2026-10"


def test_every_webhook_goes_through_the_one_door() -> None:
    paths = {each["uri"].removeprefix("https://cartwheel.example.com") for each in MANIFEST["webhooks"]["subscriptions"]}

    assert paths == {"/webhooks/shopify"}
    assert MANIFEST["embedded"] is True


def test_the_page_for_operators_lists_every_operation_with_its_scopes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "shopify.md").read_text(encoding="utf-8")
    rows = [
        f"| `{name}` | {'query' if is_query(name) else 'mutation'} | {', '.join(f'`{s}`' for s in scopes) or 'none'} |"
        for name, scopes in sorted(OPERATION_SCOPES.items())
    ]

    assert [row for row in rows if row not in page] == []
