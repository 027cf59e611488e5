import pytest
from tests.contract.test_erase import *
from app.services import bodies, wipe, audit
MUT={"sweep":lambda m:m.setattr(bodies,"sweep",lambda s,shop,t,*,after,until,**k:(until,0)),
"audit":lambda m:m.setattr(audit,"forget",lambda *a,**k:None),
"checkouts":lambda m:m.setattr(wipe,"_checkouts",lambda *a:None),
"events":lambda m:m.setattr(wipe,"_events",lambda *a:None),
"runs":lambda m:m.setattr(wipe,"_runs",lambda *a:None),
"forget":lambda m:m.setattr(OutboxTransport,"forget",lambda s,k:None)}
@pytest.mark.parametrize("name",MUT)
def test_mutant(shop,monkeypatch,name):
    house,shop_id,now=shop
    seed(house,shop_id,now)
    MUT[name](monkeypatch)
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    assert hits(everything(house), ALICE)
