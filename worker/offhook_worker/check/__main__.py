"""`python -m offhook_worker.check ADDRESS`: `offhook worker check` where only the SDK is installed."""

import argparse
from pathlib import Path

from offhook_worker.check import BadSpeech, BadTls, CheckOptions, ClientTls, check_and_report, read_speech


def main() -> None:
    """Parses the arguments and checks. Exit codes: 0 conforms, 1 does not, 2 wrong arguments."""
    default = CheckOptions()
    parser = argparse.ArgumentParser(
        prog="python -m offhook_worker.check", description="Calls a worker as the fabric does, and says what is wrong."
    )
    parser.add_argument("address", help="where the worker serves: host:port or unix:/path")
    parser.add_argument("--model", default=default.model, help="the model to call; default: the worker's first")
    parser.add_argument("--sessions", type=int, default=default.sessions, metavar="N", help="calls at once")
    parser.add_argument("--answer-timeout", type=float, default=default.answer_s, metavar="SECONDS")
    parser.add_argument("--question", default=default.question, help="typed to a model that reads")
    parser.add_argument("--speech", type=Path, metavar="FILE", help="said to the model: WAV, 16-bit mono")
    parser.add_argument("--pid", type=int, default=0, help="the worker's process, to be stopped at the end")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="authority of the worker's TLS certificate (PEM)")
    parser.add_argument("--cert", type=Path, metavar="FILE", help="certificate to show to a worker that asks (PEM)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key (PEM)")
    parser.add_argument("--server-name", default="", metavar="NAME", help="name in the worker's certificate")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        speech, rate = read_speech(arguments.speech) if arguments.speech else (b"", default.speech_rate_hz)
        tls = ClientTls.of_files(arguments.ca, arguments.cert, arguments.key, arguments.server_name)
    except (BadSpeech, BadTls) as error:
        parser.error(str(error))
    options = CheckOptions(
        model=arguments.model,
        answer_s=arguments.answer_timeout,
        sessions=arguments.sessions,
        speech=speech,
        speech_rate_hz=rate,
        question=arguments.question,
        pid=arguments.pid,
        tls=tls,
    )
    parser.exit(check_and_report(arguments.address, options, json=arguments.json))


if __name__ == "__main__":
    main()
