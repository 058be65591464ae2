"""What a pump says besides sales, and what is only counted: alarms, decimals that are not the site's, and the
unknown."""

from collections import Counter
from collections.abc import Sequence

from drivers.dart.options import DartOptions
from drivers.dart.words import Alarm, Other, Parameters, Word


def count_oddities(words: Sequence[Word], options: DartOptions, counts: Counter[str]) -> None:
    """Count alarms by their code (`ALARM_0A`), other decimals than the options', unknown transactions, and
    frames of which nothing could be read."""
    counts["LENGTHS_WRONG"] += not words
    for word in words:
        if isinstance(word, Alarm):
            counts[f"ALARM_{word.code:02X}"] += 1
        elif isinstance(word, Parameters):
            counts["DECIMALS_DIFFER"] += not _agree(word, options)
        elif isinstance(word, Other):
            counts["OTHER_TRANSACTION"] += 1


def _agree(word: Parameters, options: DartOptions) -> bool:
    return (word.volume_decimals, word.amount_decimals, word.price_decimals) == (
        options.volume_decimals,
        options.amount_decimals,
        options.price_decimals,
    )
