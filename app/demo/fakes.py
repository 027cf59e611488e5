"""The two shops of the cast, together with the clock they share and the threads that carry their webhooks."""

from app.demo.catalog import LAMP_LOFT, TEA_AND_TIN
from app.demo.clock import DemoClock
from app.demo.config import DemoConfig
from app.demo.sender import Sender
from app.demo.shop import Shop
from app.demo.shopify import ShopifyShop
from app.demo.shopify_admin import AdminApi
from app.demo.store import Store
from app.demo.webhook import Outgoing
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_passport import Passport
from app.demo.woocommerce_rest import RestApi


class Fakes:
    """All that stands for the outside world, for a test or for the demo.

    Args:
        config: addresses and secrets.
        clock: the shops' time; made from the configuration when None.
        sender: the threads that send webhooks; made when None.
        outgoing: takes the webhooks in place of the sender, for tests that only look at them.
    """

    def __init__(
        self,
        config: DemoConfig,
        *,
        clock: DemoClock | None = None,
        sender: Sender | None = None,
        outgoing: Outgoing | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or DemoClock(config.database_url)
        self.sender = sender or Sender(self.clock.now)
        outgoing = outgoing or self.sender
        self.shopify = ShopifyShop(TEA_AND_TIN, config, self.clock, outgoing, self._store("shopify"))
        self.woocommerce = WooShop(LAMP_LOFT, config, self.clock, outgoing, self._store("woocommerce"))
        self.shopify_api = AdminApi(self.shopify)
        self.woocommerce_api = RestApi(self.woocommerce)
        self.passport = Passport(self.woocommerce, config)
        self.shops: dict[str, Shop] = {"shopify": self.shopify, "woocommerce": self.woocommerce}

    def announce(self) -> None:
        """Let both shops introduce themselves to Cartwheel."""
        for shop in self.shops.values():
            shop.announce()

    def stop(self) -> None:
        """End the threads and close the files."""
        self.sender.stop()
        for shop in self.shops.values():
            shop.store.close()

    def _store(self, key: str) -> Store:
        folder = self.config.data_dir
        return Store(folder / "shops" / f"{key}.sqlite3" if folder else None)
