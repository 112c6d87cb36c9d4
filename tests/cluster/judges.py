"""How kstatus (Helm, Flux) and Argo CD judge a resource."""

import json
import subprocess
from pathlib import Path

from minicluster import tools

HEALTH = Path(__file__).resolve().parent.parent.parent / "docs/argo-cd/health.lua"


def judge(resource):
    """(status of kstatus, health of Argo CD, message of Argo CD)"""
    program = tools.ensure(("judges",))["judges"] / "judges"
    answer = json.loads(subprocess.run([program, HEALTH], input=json.dumps(resource), capture_output=True, text=True, check=True).stdout)
    return answer["kstatus"], answer["argo"], answer["argoMessage"]
