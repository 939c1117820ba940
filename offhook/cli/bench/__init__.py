"""`offhook bench`: measures a fabric of anybody's, and parts of this one; one form of result for all."""

import typer

from offhook.cli.bench.calls import calls
from offhook.cli.bench.compare import compare
from offhook.cli.bench.relay import relay, relay_death, relay_soak
from offhook.cli.bench.transceiver import realtime_sessions, transceiver, transceiver_churn
from offhook.cli.bench.worker_link import worker_link

app = typer.Typer(help="Measure a fabric, or parts of one on this machine.", no_args_is_help=True)
app.command("calls")(calls)
app.command("compare")(compare)
app.command("relay")(relay)
app.command("relay-death")(relay_death)
app.command("relay-soak")(relay_soak)
app.command("transceiver")(transceiver)
app.command("transceiver-churn")(transceiver_churn)
app.command("worker-link")(worker_link)
app.command("realtime-sessions")(realtime_sessions)
