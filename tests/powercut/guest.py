"""What the emulated machine does in one life: looks at what the last cut left on each of its disks, says what is wrong
with it, then works on all of them at a time until the power goes. Started by guest.sh with the path of a job (see
powercut.py); what is said on the console, life.py tells.
"""

import json
import os
import pathlib
import sys
import traceback

import installs
import life
import mirrors
import naive
import steps


def power_off():
    sys.stdout.flush()
    life.LIBC.sync()
    life.LIBC.reboot(0x4321FEDC)


def scenario(name):
    known = {
        "add": mirrors.Add, "pull": mirrors.Pull, "install": installs.Install, "stick": installs.Stick,
        "naive": naive.Naive, "careless": naive.Careless, "steps": steps.Steps,
    }
    return known[name]()


def live(job, base, looked):
    """One disk's part. `looked`: a pipe that ends when every disk has been looked at: work on one would slow the others' looks down."""
    life.enter(job, base)
    life.mount(job["devices"][0], life.DISK, job["fs"], job["options"])
    one = scenario(job["scenario"])
    if job["life"] == 0:
        one.prepare()
        state = one.look(job["expected"]) if job["scenario"] not in ("naive", "careless") else []
    else:
        state = one.look(job["expected"])
    life.say("state", state)
    if not job["last"] and not (state is None and job["scenario"] in ("install", "stick", "add", "pull")):
        os.close(looked[1])
        os.read(looked[0], 1)
        life.say("go")
        one.work(state)


def main():
    machine, base = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(os.environ["base"])
    if machine["writeback"]:
        # Background writing at its most restless: parts of what nobody synced reach the disk, in any mixture.
        for name in ("dirty_writeback_centisecs", "dirty_expire_centisecs"):
            pathlib.Path("/proc/sys/vm", name).write_text(str(machine["writeback"]))
    if any(job["online"] for job in machine["disks"]):
        mirrors.loopback()
    looked = os.pipe()
    for job in machine["disks"]:
        if os.fork() == 0:
            try:
                live(job, base / str(job["index"]), looked)
            except life.Stuck:
                life.say("stuck")
            except BaseException as error:  # the console is all there is
                if isinstance(error, OSError) and life.is_stuck():
                    life.say("stuck")
                else:
                    life.bad("harness", traceback.format_exc()[-1500:])
            life.say("end")
            os._exit(0)
    os.close(looked[1])
    for _ in machine["disks"]:
        os.wait()


try:
    main()
except BaseException:
    print(traceback.format_exc(), flush=True)
power_off()
