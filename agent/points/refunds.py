"""How many points go back when part of a sale is refunded (points.md 4)."""


def reversal_minor(
    original_minor: int, original_quantity: int, refunded_so_far: int, already_reversed: int
) -> int:
    """Points to take back now, so that any split of a refund sums to the award (I12).

    `original_quantity` (> 0) and `refunded_so_far`, this refund included, are in one unit: both ml
    or both fen. `already_reversed` is what earlier refunds of this award took. Who refunds more
    than was sold takes back the whole award and no more; a repeated refund takes 0.
    """
    assert original_minor >= 0
    assert original_quantity > 0
    assert refunded_so_far >= 0
    assert 0 <= already_reversed <= original_minor
    refunded = min(refunded_so_far, original_quantity)
    return max(0, original_minor * refunded // original_quantity - already_reversed)
