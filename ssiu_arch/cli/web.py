"""``ssiu web``: a page that enlarges images, for the browser."""

from pathlib import Path

from ssiu_arch.cli.arguments import Parser, whole
from ssiu_arch.utils.extras import require

EXAMPLE = "example: ssiu web --weights net_g_latest.pth --port 8000"


def run(arguments: list[str]) -> None:
    """Serve the page until interrupted.

    Raises:
        UserError: gradio is missing, the weights cannot be loaded, or the address cannot be used.
    """
    what = "Serve a page that enlarges images like ssiu upscale. It runs on this machine and sends nothing elsewhere."
    parser = Parser(prog="ssiu web", description=what, epilog=EXAMPLE, allow_abbrev=False)
    weights = "weights of an SSIU to offer beside the shipped ones, in any format of ssiu convert"
    parser.add_argument("--weights", type=Path, metavar="FILE", help=weights)
    host = "address to listen on; 0.0.0.0 lets other machines use the page (default: 127.0.0.1, this machine alone)"
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help=host)
    parser.add_argument("--port", type=whole(1, 65535), default=7860, metavar="N", help="port (default: 7860)")
    args = parser.parse_args(arguments)
    require("gradio", "web", "ssiu web")

    from ssiu_arch.integrations.web import serve

    serve(args.weights, args.host, args.port)
