"""Property: has every award of any bundle its sentences, in every language?"""

from typing import get_args

from hypothesis import given, settings

from agent.language import Language, translator
from agent.points.award import award
from agent.points.explanation import sentences
from agent.points.inputs import AwardInputs
from agent.points.rules import parse_bundle
from agent.points.spoken import spoken
from tests.property.points.drawn import award_inputs, bundles
from tests.unit.points.sales import accepted


@given(award_inputs(), bundles())
@settings(deadline=None)
def test_every_award_can_be_explained_and_said(inputs: AwardInputs, toml: str) -> None:
    bundle = accepted(parse_bundle(toml.encode()))
    result = award(inputs, bundle)
    for language in get_args(Language):
        texts = translator(language)
        told = sentences(result, texts, bundle.points_scale)
        assert len(told) - len(result.explanation) in (1, 2), "the total, and where it lapses the term"
        said = spoken(result, texts, bundle.points_scale)
        assert said.endswith("." if language == "en" else "。")
        for text in (*told, said):
            assert text
            assert "{" not in text
            text.encode("cp437" if language == "en" else "gbk")
