"""The hash of a configuration: the same for the same, another for another."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.json_text import read_json, write_json
from trading.domain.sessions import ConfigurationRefused, config_hash

names = st.text(st.characters(exclude_categories=("C",)), max_size=5)
values = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | names
configurations = st.dictionaries(
    names, values | st.lists(values, max_size=3) | st.dictionaries(names, values, max_size=3), max_size=5
)


class TestConfigHash:
    def test_is_the_sha256_of_canonical_json(self):
        assert config_hash({"b": 1.50, "a": "é"}) == sha256('{"a": "é", "b": 1.5}'.encode()).hexdigest()

    @given(configurations, st.randoms())
    def test_does_not_depend_on_the_order_of_names(self, configuration, random):
        shuffled = dict(random.sample(list(configuration.items()), len(configuration)))
        assert config_hash(shuffled) == config_hash(configuration)

    @given(configurations, configurations)
    def test_is_another_for_another_configuration(self, one, other):
        same = read_json(write_json(one)) == read_json(write_json(other)) and write_json(one) == write_json(other)
        assert (config_hash(one) == config_hash(other)) == same

    @pytest.mark.parametrize("configuration", [{"x": float("nan")}, {"x": object()}, {1: 2}, {"x": "a\x00"}])
    def test_of_what_json_cannot_carry_is_refused(self, configuration):
        with pytest.raises(ConfigurationRefused):
            config_hash(configuration)
