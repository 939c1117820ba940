"""Processes under test, watched during a run: local ones through the kernel, others through their metrics."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from bench.process import Process
from bench.report.model import Process as Watched

CPU: Final = "process_cpu_seconds_total"
MEMORY: Final = "process_resident_memory_bytes"
SCRAPE_WITHIN_S: Final = 5.0


class Sample(NamedTuple):
    """A process at one moment: CPU time so far, and what it holds. None of one that is gone or does not answer."""

    cpu_s: float | None
    rss_kb: float | None


class Source(NamedTuple):
    """Something to watch: its name in the report, how it is sampled, and whether it runs on this machine."""

    name: str
    sample: Callable[[], Sample]
    is_local: bool = False


def local(name: str, pid: int) -> Source:
    """A process of this machine."""
    process = Process(pid)

    def sample() -> Sample:
        try:
            return Sample(process.cpu().running, float(process.memory().rss_kb))
        except (OSError, KeyError):
            return Sample(None, None)

    return Source(name, sample, is_local=True)


def scraped(name: str, url: str) -> Source:
    """A process anywhere that shows Prometheus' usual metrics of processes."""

    def sample() -> Sample:
        try:
            with urllib.request.urlopen(url, timeout=SCRAPE_WITHIN_S) as answer:  # noqa: S310 - the operator's own URL
                text = answer.read().decode()
            values = {
                sample.name: sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name in {CPU, MEMORY}
            }
        except (OSError, ValueError):
            return Sample(None, None)
        memory = values.get(MEMORY)
        return Sample(values.get(CPU), memory / 1024 if memory is not None else None)

    return Source(name, sample)


class Watch:
    """Takes samples of all sources at once, and makes figures of them."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._samples: dict[str, list[Sample]] = {}

    @property
    def local_names(self) -> set[str]:
        """Of those that run on this machine."""
        return {source.name for source in self._sources if source.is_local}

    async def sample(self, moment: str) -> None:
        """Samples them, off the event loop, under the name of the moment."""
        loop = asyncio.get_running_loop()
        taken = [loop.run_in_executor(None, source.sample) for source in self._sources]
        self._samples[moment] = list(await asyncio.gather(*taken))

    def figures(self, *, before: str, begin: str, end: str, seconds: float, call_seconds: float) -> list[Watched]:
        """What each used between two moments, and how it grew since one before."""
        none = [Sample(None, None)] * len(self._sources)
        moments = zip(*(self._samples.get(moment, none) for moment in (before, begin, end)), strict=True)
        return [
            _figures(source.name, samples, seconds, call_seconds)
            for source, samples in zip(self._sources, moments, strict=True)
        ]


def _figures(name: str, samples: Sequence[Sample], seconds: float, call_seconds: float) -> Watched:
    before, begin, end = samples
    known = begin.cpu_s is not None and end.cpu_s is not None
    used = max(0.0, (end.cpu_s or 0.0) - (begin.cpu_s or 0.0)) if known else None
    return Watched(
        name=name,
        cpu_s=used,
        cpu_share_of_core=used / seconds if used is not None and seconds else None,
        cpu_ms_per_call_second=used * 1000 / call_seconds if used is not None and call_seconds else None,
        rss_kb_begin=before.rss_kb,
        rss_kb_end=end.rss_kb,
        ended=begin.cpu_s is not None and end.cpu_s is None,
    )
