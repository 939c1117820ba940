"""An engine's own metrics, under the names that it publishes, are the load that the bridge reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offhook_worker.bridge.engine_load import SETTLED, EngineGauge, EngineState, read_state

# As https://docs.vllm.ai/en/stable/usage/metrics/ has them.
VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 8.0
vllm:num_requests_waiting{engine="0",model_name="m"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.42
vllm:request_queue_time_seconds_bucket{engine="0",le="0.3",model_name="m"} 90.0
vllm:request_queue_time_seconds_bucket{engine="0",le="0.5",model_name="m"} 90.0
vllm:request_queue_time_seconds_bucket{engine="0",le="+Inf",model_name="m"} 90.0
vllm:request_queue_time_seconds_count{engine="0",model_name="m"} 90.0
"""
# As https://docs.sglang.io/references/production_metrics.html has them.
SGLANG = """\
sglang:num_running_reqs{model_name="m"} 3
sglang:num_queue_reqs{model_name="m"} 0
sglang:token_usage{model_name="m"} 0.28
sglang:queue_time_seconds_bucket{le="0.0",model_name="m"} 1
sglang:queue_time_seconds_bucket{le="+Inf",model_name="m"} 1
"""
# As llama.cpp's server writes them.
LLAMA_CPP = """\
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 1
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 0
"""


def load_of(exposition: str, slots: int = 0) -> float:
    gauge = EngineGauge(slots)
    gauge.update(read_state(exposition))
    return gauge.load(0, 64).utilization


def test_every_engine_is_read_by_its_own_names() -> None:
    vllm, sglang, llama_cpp = map(read_state, (VLLM, SGLANG, LLAMA_CPP))
    assert vllm is not None
    assert (vllm.running, vllm.waiting, vllm.kv_cache) == (8, 0, 0.42)
    assert sglang is not None
    assert (sglang.running, sglang.waiting, sglang.kv_cache) == (3, 0, 0.28)
    assert llama_cpp is not None
    assert (llama_cpp.running, llama_cpp.waiting, llama_cpp.kv_cache) == (1, 0, None)


def test_the_fullest_resource_is_the_load() -> None:
    assert load_of(VLLM) == 0.42
    assert load_of(VLLM, slots=10) == 0.8
    assert load_of(SGLANG, slots=100) == 0.28
    assert load_of(LLAMA_CPP, slots=4) == 0.25


def test_older_names_are_known() -> None:
    assert load_of(VLLM.replace("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")) == 0.42
    assert load_of(LLAMA_CPP + "llamacpp:kv_cache_usage_ratio 0.9\n") == 0.9


def test_ranks_behind_one_address_add_up_and_the_fullest_cache_counts() -> None:
    second = VLLM.replace('engine="0"', 'engine="1"').replace("0.42", "0.9")
    state = read_state(VLLM + second)
    assert state is not None
    assert (state.running, state.kv_cache) == (16, 0.9)


def test_requests_that_wait_mean_that_nothing_is_left() -> None:
    assert load_of(LLAMA_CPP.replace("deferred 0", "deferred 2"), slots=64) == 1.0


def test_an_engine_is_full_when_some_wait_again_and_again_and_until_none_do() -> None:
    gauge = EngineGauge(4)
    busy, calm = EngineState(4, 2), EngineState(1, 0)
    told = []
    for state in [busy, calm, *[busy] * SETTLED, *[calm] * SETTLED]:
        gauge.update(state)
        told.append(gauge.load(0, 64).is_full)
    assert told[: SETTLED + 1] == [False] * (SETTLED + 1)
    assert told[SETTLED + 1 : -1] == [True] * SETTLED
    assert told[-1] is False


def test_queue_delay_is_that_of_the_last_second_and_an_idle_engine_has_none() -> None:
    gauge = EngineGauge()
    gauge.update(read_state(VLLM))
    assert gauge.load(0, 64).queue_delay_ms == 0
    # Ten more requests since: one at once, nine between 0.3 and 0.5 s.
    slower = VLLM.replace('le="0.3",model_name="m"} 90', 'le="0.3",model_name="m"} 91')
    slower = slower.replace('le="0.5",model_name="m"} 90', 'le="0.5",model_name="m"} 100')
    slower = slower.replace('le="+Inf",model_name="m"} 90', 'le="+Inf",model_name="m"} 100')
    gauge.update(read_state(slower))
    assert gauge.load(0, 64).queue_delay_ms == pytest.approx(300)
    gauge.update(read_state(slower))
    assert gauge.load(0, 64).queue_delay_ms == 0


def test_an_engine_that_tells_nothing_is_as_full_as_our_connections_to_it() -> None:
    gauge = EngineGauge()
    gauge.update(None)
    assert gauge.load(16, 64).utilization == 0.25
    assert read_state("# some page\nprocess_cpu_seconds_total 4\n") is None


@given(st.text(alphabet='vllm:sglangcp_{}="0.5 \n#NaInf+-', max_size=200))
def test_any_page_is_a_state_or_none(page: str) -> None:
    read_state(page)
    read_state(VLLM + page)
