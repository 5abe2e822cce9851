#!/bin/sh
# Studies on clusters: `rlc ablate --launcher slurm` against a slurmctld, slurmd and munged that are started here, and `--launcher
# mpi` against Open MPI's mpirun. Each must leave the tables that a local study leaves. Prints SKIP and why for what is not there, and at the
# end what passed, failed and was left out; STEPS=N makes runs of another length.
#   tests/cluster_test.sh BUILD
# Packages: slurm-wlm munge openmpi-bin. Slurm is started as the user who runs this, and stopped at the end.
set -u
build=$(realpath "${1:-build}")
root=$(dirname "$(dirname "$(realpath "$0")")")
T=$(mktemp -d)
started=""
finish() {
  for pid in $started; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  [ "${KEEP:-}" ] && echo "kept $T" || rm -rf "$T"
}
trap finish EXIT
passed=0
failed=0
skipped=0
ok() { echo "ok: $*"; passed=$((passed + 1)); }
fail() { echo "FAILED: $*"; failed=$((failed + 1)); }
skip() { echo "SKIP: $*"; skipped=$((skipped + 1)); }
sum_up() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ]
  exit
}

cat >"$T/rates.yaml" <<YAML
study: rates
base: $root/specs/sac.yaml
envs: [Pendulum-v1]
steps: ${STEPS:-20000}
seeds: 3
grid: {hidden: [16], batch_size: [16], warmup: [200], lr: [3e-4, 1e-3]}
options: {eval-every: 1000, eval-episodes: 2, log-every: 500, checkpoint-every: 1000}
YAML
rlc="$build/rlc ablate $T/rates.yaml"

# All tables of a study without their columns of wall time, as one text.
tables() {
  find "$1/runs" -name '*.csv' | sort | while read -r file; do
    echo "== ${file#"$1"}"
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) wall[i] = $i ~ /^(charts\/SPS|time\/fps|time\/updates_per_second|time\/time_elapsed)$/ }
      { line = ""; for (i = 1; i <= NF; i++) if (!wall[i]) line = line "," $i; print line }' "$file"
  done
}

# A study elsewhere: nothing is left to do, and the tables are those of the local one.
same() {
  $rlc -o "$T/$1" >"$T/$1.after" 2>&1 || fail "$1: $(cat "$T/$1.after")"
  grep -q '6 of 6 runs done, 0 failed' "$T/$1.after" || fail "$1: $(cat "$T/$1.after")"
  grep -q -e ': begins' -e ': goes on' "$T/$1.after" && fail "$1 left runs behind: $(cat "$T/$1.after")"
  tables "$T/$1" >"$T/$1.tables"
  cmp "$T/local.tables" "$T/$1.tables" && ok "$1 leaves the tables of a local study" || fail "$1: its tables are others"
}

$rlc -o "$T/local" >"$T/local.log" 2>&1 || { cat "$T/local.log"; exit 1; }
tables "$T/local" >"$T/local.tables"
[ "$(grep -c '^==' "$T/local.tables")" = 12 ] || fail "the local study has not 12 tables"

echo "== Open MPI"
if command -v mpirun >/dev/null; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  $rlc -o "$T/mpi" --launcher mpi --jobs 2 -- --oversubscribe >"$T/mpi.log" 2>&1 || fail "mpi: $(cat "$T/mpi.log")"
  same mpi
else
  skip "mpirun is not installed (package openmpi-bin)"
fi

echo "== Slurm"
for program in sbatch slurmctld slurmd munged; do
  command -v $program >/dev/null && continue
  skip "$program is not installed (packages slurm-wlm and munge)"
  sum_up
done

# One node, this machine, with as many processors as it has; ports and folders of its own.
host=$(hostname -s)
port=$((20000 + $$ % 20000))
mkdir "$T/spool" "$T/state"
chmod 755 "$T"
head -c 64 /dev/urandom >"$T/key"
chmod 600 "$T/key"
cat >"$T/slurm.conf" <<CONF
ClusterName=rlc
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$T/munge.socket
CredType=cred/munge
StateSaveLocation=$T/state
SlurmdSpoolDir=$T/spool
SlurmctldPidFile=$T/slurmctld.pid
SlurmdPidFile=$T/slurmd.pid
SlurmctldLogFile=$T/slurmctld.log
SlurmdLogFile=$T/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$T/slurm.conf"
munged --foreground --force --key-file="$T/key" --socket="$T/munge.socket" --pid-file="$T/munged.pid" \
  --log-file="$T/munged.log" --seed-file="$T/munge.seed" 2>>"$T/munged.out" &
started="$started $!"
sleep 1
slurmctld -D 2>>"$T/slurmctld.out" >&2 &
started="$! $started"
slurmd -D -N "$host" 2>>"$T/slurmd.out" >&2 &
started="$! $started"
i=0
while [ "$(sinfo -h -o %T 2>/dev/null)" != idle ]; do
  i=$((i + 1))
  [ $i -le 60 ] && sleep 0.5 && continue
  skip "Slurm does not start here; the ends of its logs:"
  tail -n 8 "$T"/munged.log "$T"/munged.out "$T"/slurmctld.log "$T"/slurmctld.out "$T"/slurmd.log "$T"/slurmd.out 2>/dev/null
  sinfo 2>&1
  sum_up
done

# Waits until no job is left: a minute at most.
drain() {
  i=0
  while [ -n "$(squeue -h 2>/dev/null)" ]; do
    i=$((i + 1))
    [ $i -le 120 ] || { fail "$1: jobs do not end: $(squeue)"; break; }
    sleep 0.5
  done
}

$rlc -o "$T/slurm" --launcher slurm --jobs 2 >"$T/slurm.log" 2>&1 || fail "slurm: $(cat "$T/slurm.log")"
cat "$T/slurm.log"
drain slurm
cat "$T"/slurm/slurm/*.log
same slurm

# A job that is cancelled gives its runs back, and they go on from their checkpoints.
$rlc -o "$T/cancelled" --launcher slurm --jobs 2 -- --job-name=cancelled >"$T/cancelled.log" 2>&1 || fail "slurm: $(cat "$T/cancelled.log")"
i=0
until ls "$T"/cancelled/runs/*/*/*/checkpoints/latest.json >/dev/null 2>&1 || [ $i -ge 200 ]; do
  i=$((i + 1))
  sleep 0.05
done
scancel --signal=TERM --batch --name=cancelled
scancel --name=cancelled
drain cancelled
grep -q 'stopping: trainers write' "$T"/cancelled/slurm/*.log || fail "the cancelled job was not told: $(cat "$T"/cancelled/slurm/*.log)"
$rlc -o "$T/cancelled" --launcher slurm --jobs 2 >"$T/cancelled.log" 2>&1
drain cancelled
same cancelled
resumed=$(find "$T/cancelled/runs" -name provenance-2.json | wc -l)
[ "$resumed" -gt 0 ] && ok "runs of a cancelled job go on from their checkpoints" || fail "no run of the cancelled job went on from a checkpoint"

# Tasks whose study has changed since they were submitted begin nothing.
$rlc -o "$T/changed" --launcher slurm --jobs 1 -- --hold --job-name=changed >"$T/changed.log" 2>&1 || fail "slurm: $(cat "$T/changed.log")"
sed -i 's/^steps: .*/steps: 777/' "$T/rates.yaml"
scontrol release jobname=changed
drain changed
grep -q 'is not what .* was prepared for: its runs have the options .--steps 777 ' "$T"/changed/slurm/*.log &&
  [ -z "$(find "$T/changed/runs" -name '*.json')" ] && ok "tasks of a study that has changed begin nothing" ||
  fail "the changed study: $(cat "$T"/changed/slurm/*.log; find "$T/changed/runs")"
sum_up

