"""
Recognizes names whose values are secrets: ``apiKeys``, ``db_password``, ``Authorization``.

Names of models' parameters are read word by word, since their ends alone say too little: ``githubToken`` is a
secret, ``maxNewTokens`` a number, and ``timeSignature`` is music.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: Ends of names in lower case, without separators and a plural's ``s``.
_ENDS = re.compile(
    r"(?:secret|password|passwd|passphrase|passcode|pincode|apikey|accesskey|accountkey|secretkey|privatekey"
    r"|signingkey|encryptionkey|sharedkey|authkey|credential|authorization|cookie|connectionstring|webhookurl"
    r"|signature|token)\Z"
)
#: Secrets only as a word of their own: ``pin`` is one, ``spin`` is not.
_WORDS = frozenset({"auth", "bearer", "dsn", "jwt", "otp", "pass", "pin", "pwd"})
_WORDS |= {"dsns", "jwts", "otps", "pins", "pwds"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: Before ``token``: a token of a text, of a model's vocabulary, or of a training, and no secret.
_OF_TEXT = re.compile(
    r"audio|begin|bos|budget|cached|class|cls|completion|concept|context|count|end|eos|generated|image|input"
    r"|instance|limit|mask|max|maximum|min|minimum|new|next|num|number|output|pad|per|placeholder|prompt"
    r"|reasoning|sep|special|start|stop|text|thinking|total|trigger|unk|used|video|vocab"
)
#: Before ``tokens``: secrets; other ``tokens`` are counts.
_OF_ACCESS = re.compile(
    r"access|api|auth|bearer|bot|csrf|device|github|id|oauth|personal|previous|refresh|secret|session|task"
    r"|user"
)
_MUSIC = frozenset({"time", "key"})


@lru_cache(maxsize=2048)
def is_secret_name(name: str) -> bool:
    """Whether the value under a name is a secret, whatever its form."""
    words = [word.lower() for word in _WORD.findall(name[:200])]
    if not words:
        return False
    plain = "".join(words)
    singular = plain[:-1] if plain.endswith("s") and not plain.endswith("ss") else plain
    if words[-1] in _WORDS:
        return True
    if not _ENDS.search(singular):
        return False
    if singular.endswith("signature"):
        return words[0] not in _MUSIC
    if singular.endswith("token"):
        before = words[:-1] if words[-1] in {"token", "tokens"} else [plain.rpartition("token")[0]]
        if plain.endswith("tokens"):
            return not any(before) or any(map(_OF_ACCESS.fullmatch, before))
        return not any(map(_OF_TEXT.fullmatch, before))
    return True


def is_token_name(name: str) -> bool:
    """Whether a secret's name ends in "token": a small number under it is a count."""
    return name.strip().lower().rstrip("s").endswith("token")


@lru_cache(maxsize=2048)
def may_be_key_name(name: str) -> bool:
    """Whether the value under a name is a secret if it looks random: ``openaiKey``, but ``musicKey``."""
    return re.search(r"[a-z]keys?\Z", re.sub(r"[^a-z0-9]", "", name[:200].lower())) is not None


@lru_cache(maxsize=2048)
def is_hook_name(name: str) -> bool:
    """Whether a name is a webhook's, whose whole address is a credential."""
    return re.search(r"callback|webhook", re.sub(r"[^a-z]", "", name[:200].lower())) is not None
