r"""Make two spellings of the same answer the same text, without knowing any mathematics.

Only changes that cannot make two different answers equal are made here: typography (Unicode minus, superscripts, spaces, sizes of
brackets and fractions), presentation (see `wrappers`), delimiters (`$…$`) and explicit thousands separators. A sign of money becomes
the word behind the number, `€5` as `5\text{ euros}`; a dollar is dropped, because it may be a delimiter, unless `dollars` asks for it.
"""

from __future__ import annotations

import re
import unicodedata

from counterpoise.lazy import compiled
from counterpoise.verifiers.text.presentation import SIZES, SPACES, uncovered

__all__ = ["balanced", "normalise", "over_cap", "unwrap_text"]

_MINUS = dict.fromkeys(map(ord, "−–—‐‑‒﹣－"), "-")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SYMBOLS = str.maketrans(
    {
        "×": r"\times ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "÷": "/",
        "∕": "/",
        "⁄": "/",
        "π": r"\pi ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "±": r"\pm ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∅": r"\emptyset ",
        "°": r"^\circ ",
        "º": r"^\circ ",
        "≈": r"\approx ",
        "≅": r"\approx ",
        "≃": r"\approx ",
        "∈": r"\in ",
        "∣": r"\mid ",
        "′": "'",
        "″": "''",
        "∨": " or ",
        "∧": " and ",
        "ℝ": r"\mathbb{R}",
        "α": r"\alpha ",
        "β": r"\beta ",
        "γ": r"\gamma ",
        "θ": r"\theta ",
        "λ": r"\lambda ",
        "…": "...",
        "∶": ":",
        "，": ",",
        "、": ",",
        "。": ".",
        "％": "%",
    }
)
_SUPERSCRIPT_RUN = compiled("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+")
_SUBSCRIPT_RUN = compiled("[₀₁₂₃₄₅₆₇₈₉]+")
_NUMERAL = r"(?:\d{1,3}(?:(?:,|\{,\}|\\,|,\\!)\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_LARGE = r"(?:\s*(?:hundred|thousand|million|billion|trillion|bn|[kKMB](?![A-Za-z])))?"
_MONEY = {"€": "euros", "£": "pounds_sterling", "¥": "yen", "￥": "yen", "₹": "rupees", "$": "dollars"}
_CODES = {
    "USD": "dollars",
    "EUR": "euros",
    "GBP": "pounds_sterling",
    "JPY": "yen",
    "CNY": "yuan",
    "RMB": "yuan",
    "INR": "rupees",
}
_CODE = "|".join(_CODES)
_MONEY_COMMANDS = {
    "textdollar": r"\$",
    "pounds": "£",
    "textsterling": "£",
    "euro": "€",
    "texteuro": "€",
    "yen": "¥",
    "textyen": "¥",
}
_MONEY_COMMAND = compiled(rf"\\({'|'.join(_MONEY_COMMANDS)})(?![A-Za-z])\s*")
_SIGN_BEFORE = compiled(
    rf"(?P<minus>-?)\s*(?P<sign>(?:(?<![A-Za-z])(?:US|AU|CA|A|C)\s?)?\\?\$|[€£¥￥₹]|(?<![A-Za-z])(?:{_CODE})(?=[\s\d]))[\s~]*(?P<inner>-?)(?P<number>(?:{_NUMERAL}){_LARGE})"
)
_SIGN_BEHIND = compiled(
    rf"(?<![\d.,])(?P<number>(?:{_NUMERAL}){_LARGE})[\s~]*(?P<sign>\\\$|[€£¥￥₹¢]|(?:\\text\{{\s*)?(?:{_CODE})(?![A-Za-z])(?:\s*\}})?)"
)
_CODED = compiled(_CODE)
_CODE_IN_TEXT = compiled(r"\\text\{\s*|\s*\}")
_CHINESE = {
    "个小时": "hours", "小时": "hours", "小時": "hours", "時間": "hours", "分钟": "minutes", "分鐘": "minutes", "分": "minutes",
    "秒": "seconds", "天": "days", "日": "days", "周": "weeks", "厘米": "cm", "毫米": "mm", "千米": "km", "公里": "km", "米": "m",
    "平方厘米": "cm^2", "平方米": "m^2", "立方米": "m^3", "立方厘米": "cm^3", "千克": "kg", "公斤": "kg", "克": "g", "吨": "tonnes",
    "升": "L", "毫升": "mL", "元": "yuan", "美元": "dollars", "美分": "cents", "欧元": "euros", "度": "degrees",
}  # fmt: skip
_CHINESE_UNIT = compiled(r"(?<=[\d})])\s*(?:\\text\{\s*)?([\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{1,8})\s*\}?\Z")
_PRIMES = compiled(r"\s*\^\s*(?:\{\s*(?:\\prime\s*){1,4}\}|\\prime(?![A-Za-z])\s*)")
_OVER_DIGIT = compiled("(\\d)\\s?([\u0304\u0305\u0307])")
_EASTERN = {"万": 4, "萬": 4, "만": 4, "亿": 8, "億": 8, "억": 8, "千": 3, "천": 3, "百": 2, "백": 2}
# 千米 and 千克 are kilometres and kilograms.
_EASTERN_MULTIPLE = compiled(r"(?<=\d)\s*([万萬만亿億억]|[千천](?![米克瓦焦帕卡])|[百백](?!分))")
# `5!=120` is a factorial: nobody answers that two numbers differ.
_FACTORIAL = compiled(r"(?<=\d)!=(?=\s*\d)")
_RAISED = compiled(r"(?<=\d)\s*\\text\{\s*(squared|cubed)\s*\}|(?<=\d)\s+(squared|cubed)\Z", re.IGNORECASE)
_AND_A_HALF = compiled(
    r"(?<=\d)\s*(\\text\s*\{)?\s*and\s+(?:a|one)[\s-](?:half|(quarter))(?![A-Za-z])(?(1)\s*(?:(\})|(?=[^{}]*\})))"
)
_ROOT = compiled(r"√\s*(\d+|[A-Za-z]|\([^()]*\))")
_THIN_THOUSANDS = compiled(r"(?<=\d)(?:\{,\}|,?\\[,!; ])(?=\d{3}(?!\d))")
_COMMA_THOUSANDS = compiled(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED_THOUSANDS = compiled(r"\A[-+]?[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?(?=\Z| ?\\text| [A-Za-z]|%)")
_OUTSIDE_TEXT = compiled(r"\\text\s*\{[^{}]*\}")
# A full stop that ends the sentence, but not the last of three.
_TRAILING = compiled(r"(?:(?<!\.)|(?<=\.\.\.))\s*[.;]\Z|(?<=\S)\s*,\Z|\s*\\\\\s*\Z")
_FRACTIONS = compiled(r"\\[dtc]frac(?![A-Za-z])")
_TEXT = compiled(r"\\text\s*\{([^{}]*)\}")
_JOINED = (
    r"\\text\s*\{\s*,?\s*(?:%(word)s)\s*:?\s*\}|(?<![A-Za-z]),?\s+(?:%(word)s)\s+(?![A-Za-z]{2}|an?\s)"
    r"|,?\s+(?:%(word)s)\s+(?=[A-Za-z]\w?\s*(?:=|<|>|\\[lgn]))|\\(?:%(commands)s)(?![A-Za-z])"
)
_OR = compiled(_JOINED % {"word": "or", "commands": "lor|vee"})
_AND = compiled(_JOINED % {"word": "and", "commands": "land|wedge"})
_INTERVALS = compiled(r"[)\]]\s*(?:\\text\s*\{\s*)?(?:or|\\lor|\\vee)\s*\}?\s*[(\[]")
_INEQUALITY = compiled(r"[<>]|\\(?:l|g)(?:e|eq|t|eqslant)(?![A-Za-z])")
_PERCENT = compiled(r"(?<=[\d})])\s*(?:per ?cent|\\text\s*\{\s*(?:per ?cent|%)\s*\})(?![A-Za-z])", re.IGNORECASE)
_EMPTY_SET = compiled(r"\\varnothing(?![A-Za-z])")
_RUN_OF_SPACE = compiled(r"\s+")
_DIGITS = compiled(r"\d{1001}")


def normalise(text: str, *, dollars: bool = False) -> str:
    r"""`text` with typography and presentation removed; idempotent up to spacing, total, at most quadratic in a capped length.

    With `dollars` an escaped or unpaired dollar sign before a number is kept as `\text{ dollars}` behind it.
    """
    text = "".join(_character(c) for c in text).translate(_MINUS)
    if not text.isascii():
        text = _OVER_DIGIT.sub(lambda m: rf"\{'dot' if m[2] == chr(0x307) else 'overline'}{{{m[1]}}}", text)
        text = _EASTERN_MULTIPLE.sub(lambda m: rf"\times 10^{{{_EASTERN[m[1]]}}}", text)
    text = _PRIMES.sub(lambda m: "'" * m[0].count("prime"), text)
    text = _MONEY_COMMAND.sub(lambda m: _MONEY_COMMANDS[m[1]], text)
    text = _SUPERSCRIPT_RUN.sub(lambda m: "^{" + m.group().translate(_SUPERSCRIPTS) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda m: "_{" + m.group().translate(_SUBSCRIPTS) + "}", text)
    text = _ROOT.sub(lambda m: r"\sqrt{" + m.group(1).removeprefix("(").removesuffix(")") + "}", text)
    text = uncovered(SPACES.sub(" ", SIZES.sub("", _THIN_THOUSANDS.sub("", text.translate(_SYMBOLS)))))
    if "$" in text or not text.isascii() or _CODED.search(text):
        text = _money(text, dollars=dollars).replace(r"\$", "").replace("$", "")
    thin = _THIN_THOUSANDS.sub("", text)
    text = (uncovered(thin) if thin != text or "{" in text else thin).replace(r"\%", "%")
    text = _EMPTY_SET.sub(r"\\emptyset", _FRACTIONS.sub(r"\\frac", text))
    text = _CHINESE_UNIT.sub(lambda m: rf"\text{{ {_CHINESE.get(m[1], m[1])}}}", text)
    text = _RAISED.sub(lambda m: "^{2}" if (m[1] or m[2]).lower() == "squared" else "^{3}", text)
    text = _AND_A_HALF.sub(_and_a_half, text)
    text = _FACTORIAL.sub("! =", text)
    inequality = _INEQUALITY.search(text) is not None
    text = _OR.sub(r" \\cup " if inequality or (r"\infty" in text and _INTERVALS.search(text)) else ",", text)
    text = _PERCENT.sub("%", _AND.sub(r" \\cap " if inequality else ",", text))
    if not any(bracket in _OUTSIDE_TEXT.sub("", text) for bracket in "([{"):
        # Inside brackets a comma separates components: (1,234) is a point.
        text = _COMMA_THOUSANDS.sub(lambda m: m.group().replace(",", ""), text)
    text = _TRAILING.sub("", _RUN_OF_SPACE.sub(" ", text).strip())
    return _SPACED_THOUSANDS.sub(lambda m: m.group().replace(" ", ""), text)


def unwrap_text(text: str) -> tuple[str, bool]:
    r"""The content of a `\text{…}` (or `\mathrm`, …) that encloses everything, and whether there was one."""
    match = _TEXT.fullmatch(text) or _TEXT.fullmatch(uncovered(text))
    return (match.group(1).strip().rstrip("."), True) if match else (text, False)


def balanced(text: str) -> bool:
    """True when braces close in order, escaped ones aside."""
    depth, position = 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth < 0:
            return False
        position += 1
    return depth == 0


def over_cap(text: str, *, length: int = 4096, nesting: int = 50) -> str | None:
    """Which bound a text breaks (`length`, `digits`: more than 1,000 in a row, `nesting` of brackets), None when none.

    Computer algebra takes time and memory that grow without bound in each of them.
    """
    if len(text) > length:
        return "length"
    if _DIGITS.search(text):
        return "digits"
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return "nesting" if deepest > nesting else None


def _and_a_half(match: re.Match[str]) -> str:
    r"""`2 and a half hours` as `2\frac{1}{2} hours`; a command that goes on stays open."""
    return rf"\frac{{1}}{{{4 if match[2] else 2}}}" + (r"\text{" if match[1] and not match[3] else "")


def _character(character: str) -> str:
    if character.isascii():
        return character if character >= " " else " "
    category = unicodedata.category(character)
    if category == "Nd":  # ٣ and ３ are digits that a reader means as 3
        return str(unicodedata.digit(character))
    if category in ("Cf", "Cc", "Cs"):  # direction marks, zero-width joiners, lone surrogates
        return ""
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if unicodedata.decomposition(character).startswith("<fraction>"):  # ⅝
        top, _, bottom = unicodedata.normalize("NFKC", character).partition("⁄")
        return rf"\frac{{{top}}}{{{bottom}}}"
    return chr(ord(character) - 0xFEE0) if "！" <= character <= "～" and character not in "，％－" else character


def _money(text: str, *, dollars: bool) -> str:
    def word(sign: str) -> str:
        sign = _CODE_IN_TEXT.sub("", sign).strip().lstrip("\\")
        return "cents" if sign == "¢" else _CODES.get(sign) or _MONEY[sign[-1]]

    def replaced(match: re.Match[str]) -> str:
        name = word(match["sign"])
        minus = (match.groupdict().get("minus") or "") + (match.groupdict().get("inner") or "")
        if name == "dollars" and not dollars:
            return minus + match["number"]
        return rf"{minus}{match['number']}\text{{ {name}}}"

    return _SIGN_BEHIND.sub(replaced, _SIGN_BEFORE.sub(replaced, text))
