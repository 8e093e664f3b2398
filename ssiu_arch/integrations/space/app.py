"""The page for a hosted space: copy this file into it, beside a requirements.txt that names ssiu-arch[web]."""

from ssiu_arch.integrations.web import serve

serve(host="0.0.0.0")
