"""Words that press: false urgency, and shouting. Mail filters know them, and readers trust a shop less for them."""

import re

# By language. Parts of words, as they stand in a text; the case is not heeded.
PRESSURE: dict[str, tuple[str, ...]] = {
    "en": (
        "hurry", "act now", "last chance", "don't miss", "don’t miss", "while stocks last", "selling fast", "almost gone",
        "limited time", "before it's too late", "final hours", "only today", "urgent", "buy now", "100% free", "risk-free",
    ),
    "ar": ("أسرع", "سارع", "الفرصة الأخيرة", "آخر فرصة", "لا تفوت", "قبل فوات الأوان", "لفترة محدودة", "عاجل", "اشتر الآن"),
    "az": ("tələsin", "son şans", "qaçırmayın", "son fürsət", "gec olmadan", "məhdud vaxt", "təcili", "indi alın"),
    "zh_Hans": ("抓紧", "赶快", "赶紧", "最后机会", "不要错过", "切勿错过", "限时", "手慢无", "仅剩", "马上抢", "立即购买"),
    "zh_Hant": ("抓緊", "趕快", "趕緊", "最後機會", "不要錯過", "切勿錯過", "限時", "手慢無", "僅剩", "馬上搶", "立即購買"),
}  # fmt: skip
_SHOUTS = re.compile(r"[!！]{2,}|\b[A-ZƏÜÖĞİŞÇ]{4,}(?:\s+[A-ZƏÜÖĞİŞÇ]{2,}){2,}")


def pressing(text: str, language: str) -> list[str]:
    """Return the words of a text that press, in a language such as "zh_Hans"; English ones are found in every text."""
    words = (*PRESSURE.get(language, ()), *PRESSURE["en"])
    low = text.lower()
    return [*dict.fromkeys(word for word in words if word in low), *(found[0] for found in _SHOUTS.finditer(text))]
