"""Property: do the effects of a comparison always add up, and name only what differs?"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.points.award import award
from agent.points.comparison import Side, compare
from agent.points.inputs import AwardInputs
from agent.points.rules import Bundle, parse_bundle
from tests.property.points.drawn import award_inputs
from tests.property.points.drawn import bundles as drawn_bundles
from tests.unit.points.sales import accepted, demo_bundle

MANY = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
BUNDLES = [demo_bundle(), demo_bundle(("points_minor = 200", "points_minor = 300"))]
bundles = st.sampled_from(BUNDLES) | drawn_bundles().map(lambda toml: accepted(parse_bundle(toml.encode())))
FIELD_OF = {"time": "local", "quantity": "lines", "product": "lines", "basket": "lines"}


@given(award_inputs(), award_inputs(), bundles, bundles)
@MANY
def test_the_effects_add_up_to_the_difference(
    a: AwardInputs, b: AwardInputs, bundle_a: Bundle, bundle_b: Bundle
) -> None:
    comparison = compare(Side(a, bundle_a), Side(b, bundle_b))
    assert comparison.a == award(a, bundle_a)
    assert comparison.b == award(b, bundle_b)
    assert sum(effect.minor for effect in comparison.effects) == comparison.difference_minor
    sizes = [abs(effect.minor) for effect in comparison.effects]
    assert sizes == sorted(sizes, reverse=True)


@given(award_inputs(), award_inputs(), bundles, bundles)
@MANY
def test_only_what_differs_is_named(
    a: AwardInputs, b: AwardInputs, bundle_a: Bundle, bundle_b: Bundle
) -> None:
    named = {effect.aspect for effect in compare(Side(a, bundle_a), Side(b, bundle_b)).effects}
    assert ("rules" in named) == (bundle_a.sha256 != bundle_b.sha256)
    for aspect in named - {"rules"}:
        field = FIELD_OF.get(aspect, aspect)
        assert getattr(a, field) != getattr(b, field)
    for field in AwardInputs.model_fields.keys() - {"lines"}:
        if getattr(a, field) != getattr(b, field):
            assert {"local": "time"}.get(field, field) in named
