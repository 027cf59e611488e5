"""The tables, one file per noun, each with its own queries."""

from app.models.base import NO_SHOP, Base
from app.models.connection import Connection, Doubt, OAuthState, Phase
from app.models.cursor import Cursor
from app.models.customer import ConsentRow, Customer, CustomerIdentity, Suppression
from app.models.delivery import Coupon, CouponState, Delivery, DeliveryState
from app.models.experiment import Experiment
from app.models.flow import (
    Answer,
    Arm,
    DecisionRow,
    Enrollment,
    EnrollmentState,
    FlowSettings,
    FlowVersion,
    ScheduledStep,
    TagWrite,
)
from app.models.hygiene import HygieneWeek
from app.models.message import BrandKit, TestMail
from app.models.permission import ConsentWrite, MailRules, OptIn, OptInState, Preference
from app.models.privacy import Erasure, ErasureKind, Export, ExportKind, Forgotten
from app.models.receipt import DeliveryEvent
from app.models.rehearsal import Rehearsal, RehearsalState
from app.models.replay import Replay, ReplayState
from app.models.reply import Reply
from app.models.sender_check import SenderCheck
from app.models.sending import Meter, Pause
from app.models.shop import Shop, ShopState, ShopToken, TokenKind
from app.models.staff import AuditRow, DemoClock, Heartbeat, Role, SignInLink, SignInMail, Staff
from app.models.tracking import Attribution, DailyStat, Engagement, EngagementKind, Link
from app.models.trade import Checkout, Order, OrderLine, Product, PurchaseMark, Refund, Shipment
from app.models.webhook import EventRow, Webhook, WebhookState

__all__ = [
    "NO_SHOP",
    "Answer",
    "Arm",
    "Attribution",
    "AuditRow",
    "Base",
    "BrandKit",
    "Checkout",
    "Connection",
    "ConsentRow",
    "ConsentWrite",
    "Coupon",
    "CouponState",
    "Cursor",
    "Customer",
    "CustomerIdentity",
    "DailyStat",
    "DecisionRow",
    "Delivery",
    "DeliveryEvent",
    "DeliveryState",
    "DemoClock",
    "Doubt",
    "Engagement",
    "EngagementKind",
    "Enrollment",
    "EnrollmentState",
    "Erasure",
    "ErasureKind",
    "EventRow",
    "Experiment",
    "Export",
    "ExportKind",
    "FlowSettings",
    "FlowVersion",
    "Forgotten",
    "Heartbeat",
    "HygieneWeek",
    "Link",
    "MailRules",
    "Meter",
    "OAuthState",
    "OptIn",
    "OptInState",
    "Order",
    "OrderLine",
    "Pause",
    "Phase",
    "Preference",
    "Product",
    "PurchaseMark",
    "Refund",
    "Rehearsal",
    "RehearsalState",
    "Replay",
    "ReplayState",
    "Reply",
    "Role",
    "ScheduledStep",
    "SenderCheck",
    "Shipment",
    "Shop",
    "ShopState",
    "ShopToken",
    "SignInLink",
    "SignInMail",
    "Staff",
    "Suppression",
    "TagWrite",
    "TestMail",
    "TokenKind",
    "Webhook",
    "WebhookState",
]
