"""What the two shops of our cast sell."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One thing that can be put into a cart; `attributes` are empty where the product comes in one kind only."""

    id: int
    sku: str
    price_minor: int
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name the choice, `Sand / 30 cm`; empty where there is none."""
        return " / ".join(self.attributes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product as the shop shows it; the picture is a file under static/demo/, the weight is in grams."""

    id: int
    slug: str
    title: str
    kind: str
    text: str
    picture: str
    grams: int
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A shop's identity and wares. `key` is its path in the demo; `locale` is written as its platform writes it."""

    key: str
    platform: str
    name: str
    tagline: str
    text: str
    domain: str
    currency: str
    locale: str
    timezone: str
    products: tuple[Product, ...]

    def product(self, slug: str) -> Product | None:
        """Find a product by its slug."""
        return next((product for product in self.products if product.slug == slug), None)

    def find(self, variant_id: int) -> tuple[Product, Variant]:
        """Find what a variant id means.

        Raises:
            KeyError: the shop does not sell it.
        """
        for product in self.products:
            for variant in product.variants:
                if variant.id == variant_id:
                    return product, variant
        raise KeyError(variant_id)

    def has(self, variant_id: int) -> bool:
        """Say whether the shop sells this."""
        return any(variant.id == variant_id for product in self.products for variant in product.variants)

    def variant_id(self, sku: str) -> int:
        """Find the variant with this SKU.

        Raises:
            KeyError: the shop does not sell it.
        """
        for product in self.products:
            for variant in product.variants:
                if variant.sku == sku:
                    return variant.id
        raise KeyError(sku)


def _tea(number: int, slug: str, title: str, kind: str, grams: int, text: str, *variants: Variant) -> Product:
    return Product(
        id=8403312017400 + number,  # above 2^31, as Shopify's are
        slug=slug,
        title=title,
        kind=kind,
        grams=grams,
        text=text,
        picture=f"{slug}.svg",
        variants=variants,
    )


def _pack(number: int, sku: str, price_minor: int, **attributes: str) -> Variant:
    return Variant(id=45510229786600 + number, sku=sku, price_minor=price_minor, attributes=attributes)


TEA_AND_TIN = Catalogue(
    key="shopify",
    platform="Shopify",
    name="Tea & Tin",
    tagline="Good leaves, kept well.",
    text="Small lots of tea from people we know, and the tins, mugs and pots that do them justice.",
    domain="tea-and-tin.myshopify.com",
    currency="USD",
    locale="en-US",
    timezone="America/Los_Angeles",
    products=(
        _tea(1, "smoky-assam", "Smoky Assam", "Loose tea", 100,
             "Malty and dark, dried over oak. Takes milk gladly. 100 g, forty cups.", _pack(1, "TEA-ASSAM", 1450)),
        _tea(2, "jasmine-pearls", "Jasmine Pearls", "Loose tea", 75,
             "Green tea rolled by hand and left six nights among fresh jasmine. 75 g.", _pack(2, "TEA-JASMINE", 1800)),
        _tea(3, "mint-verbena", "Mint & Verbena", "Herbal", 60,
             "Garden mint and lemon verbena, whole leaves. No caffeine, good cold as well. 60 g.",
             _pack(3, "TEA-MINT", 1100)),
        _tea(4, "first-flush-darjeeling", "First Flush Darjeeling", "Loose tea", 50,
             "Picked in the last week of March, light as a spring morning. Dated on the tin.",
             _pack(4, "TEA-DARJ-50", 1300, Size="50 g"), _pack(5, "TEA-DARJ-100", 2200, Size="100 g")),
        _tea(5, "pantry-tin", "Pantry Tin", "Tins", 180,
             "Enamelled steel with a lid that closes like a car door. Holds 125 g of leaf.",
             _pack(6, "TIN-FOREST", 1600, Colour="Forest"), _pack(7, "TIN-OAT", 1600, Colour="Oat")),
        _tea(6, "stoneware-mug", "Stoneware Mug", "Mugs", 420,
             "Thrown on the wheel, glazed the green of a wet garden. 350 ml, dishwasher proof.",
             _pack(8, "MUG-GREEN", 2400)),
        _tea(7, "glass-teapot", "Glass Teapot", "Pots", 640,
             "Watch the leaves open. Borosilicate glass, steel strainer, 0.8 litres.", _pack(9, "POT-GLASS", 3900)),
        _tea(8, "oak-scoop", "Oak Scoop", "Tins", 40,
             "One level scoop, one cup. Turned from an old staircase, oiled by hand.", _pack(10, "SCOOP-OAK", 950)),
    ),
)  # fmt: skip


def _lamp(number: int, title: str, kind: str, grams: int, text: str, *variants: Variant) -> Product:
    slug = title.lower().replace(" ", "-")
    return Product(
        id=number, slug=slug, title=title, kind=kind, grams=grams, text=text, picture=f"{slug}.svg", variants=variants
    )


def _kind(number: int, sku: str, price_minor: int, **attributes: str) -> Variant:
    return Variant(id=number, sku=sku, price_minor=price_minor, attributes=attributes)


LAMP_LOFT = Catalogue(
    key="woocommerce",
    platform="WooCommerce",
    name="Lamp Loft",
    tagline="Light, and the room around it.",
    text="Lamps for reading, dining and doing nothing. Made in small workshops, repairable for life.",
    domain="lamp-loft.example",
    currency="EUR",
    locale="en_GB",
    timezone="Europe/Lisbon",
    products=(
        _lamp(12, "Pebble", "Table lamp", 1400, "A stone that glows. Blown glass on a turned foot, dimmed by touch.",
              _kind(13, "PEBBLE-SAND", 7900, Colour="Sand"), _kind(14, "PEBBLE-SLATE", 7900, Colour="Slate")),
        _lamp(15, "Heron", "Floor lamp", 6200, "Stands behind your chair and reads along. Ash and linen, 150 cm.",
              _kind(15, "HERON", 18900)),
        _lamp(16, "Harbour", "Pendant", 2100, "Enamel over the table, the way quays are lit. Wipes clean.",
              _kind(17, "HARBOUR-30", 11900, Size="30 cm"), _kind(18, "HARBOUR-45", 14900, Size="45 cm")),
        _lamp(19, "Wren", "Clip lamp", 380, "Holds on to a shelf or a book. Folds flat, charges in an hour.",
              _kind(19, "WREN", 4500)),
        _lamp(20, "Moon", "Lantern", 250, "Folded paper, forty centimetres across, soft as its name.",
              _kind(20, "MOON", 3500)),
        _lamp(21, "Ember", "Bedside lamp", 900, "No cord, two weeks on a charge, warm enough to fall asleep by.",
              _kind(21, "EMBER", 6400)),
        _lamp(22, "Quill", "Desk lamp", 1700, "One thin arm, one bright head, no flicker. Stays where you leave it.",
              _kind(22, "QUILL", 9500)),
        _lamp(23, "Filament", "Bulb", 60, "The good old glow with a tenth of the power. E27, dimmable.",
              _kind(23, "FILAMENT", 990)),
    ),
)  # fmt: skip
