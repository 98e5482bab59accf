#!/bin/sh
# A SLURM cluster of another version, for as long as this script runs: Debian's release RELEASE in DIRECTORY, with a
# network, processes and mounts of its own, so that nothing of it meets the machine's. Needs root, debootstrap and
# MariaDB's programs.
#
#   cluster.sh RELEASE DIRECTORY [LINES]      LINES are added to slurm.conf
#
# Debian's releases have SLURM 20.11 (bullseye), 22.05 (bookworm), 24.11 (trixie); forky and sid have what is newest.
# It prints "ready PID" when the cluster takes jobs; `nsenter -t PID -n -p -m chroot DIRECTORY ...` is then at home.
# Ending this script ends everything in it. The directory stays, for the next time.
set -eu

if [ "${1:-}" != inside ]; then
    release=$1 root=$2 lines=${3:-}
    mirror=$(sed -n 's/^URIs: *\(\S*\/debian\)\/*$/\1/p' /etc/apt/sources.list.d/debian.sources | head -n 1)
    if [ ! -e "$root/usr/sbin/slurmctld" ]; then
        script=$release
        [ -e "/usr/share/debootstrap/scripts/$release" ] || script=sid
        debootstrap --variant=minbase "$release" "$root" "$mirror" "$script" >&2
        printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
        chmod +x "$root/usr/sbin/policy-rc.d"
        packages="slurmctld slurmd slurmdbd slurm-client slurm-wlm-basic-plugins munge"
        # What speaks to MariaDB became a package of its own.
        chroot "$root" apt-cache show slurm-wlm-mysql-plugin >/dev/null 2>&1 && packages="$packages slurm-wlm-mysql-plugin"
        # shellcheck disable=SC2086 # names between blanks
        DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends $packages >&2
    fi
    unshare --net --pid --mount --uts --fork --kill-child "$0" inside "$root" "$lines" &
    # It pays no heed to TERM itself.
    # shellcheck disable=SC2064 # the process that has just been started
    trap "kill -KILL $!" INT TERM EXIT
    wait
    exit
fi

root=$2 lines=$3
here=/cluster
in="chroot $root"
as() {
    user=$1
    shift
    chroot --userspec="$user" "$root" env SLURM_CONF=$here/slurm.conf "$@"
}
until_it_works() {
    for _ in $(seq 100); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    echo "never worked: $*" >&2
    exit 1
}

# A network of its own has no way out, and every port is free.
ip link set lo up
ip address add 192.0.2.1/32 dev lo # or names would not be looked up: a machine with loopback only has no address
hostname node
printf '127.0.0.1 node localhost\n' >"$root/etc/hosts"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"

rm -rf "$root$here"
mkdir -p "$root$here/state" "$root$here/spool" "$root/run/munge"
for user in plgalice plgbob plgpoll; do $in id $user >/dev/null 2>&1 || $in useradd --create-home --shell /bin/bash $user; done
$in chown slurm: $here/state
$in chown munge: /run/munge

# Neither cgroups nor systemd: 22.05 wants a plugin that does nothing until it is asked to, later ones know none at all.
# shellcheck disable=SC2016 # dpkg-query fills it in
case $($in dpkg-query -W -f '${Version}' slurmctld) in
2[01].*) rm -f "$root$here/cgroup.conf" ;;
22.*) echo CgroupPlugin=cgroup/v1 >"$root$here/cgroup.conf" ;;
*) echo CgroupPlugin=disabled >"$root$here/cgroup.conf" ;;
esac
cat >"$root$here/slurm.conf" <<END
ClusterName=recorded
SlurmctldHost=node(127.0.0.1)
SlurmUser=slurm
AuthType=auth/munge
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool/%n
SlurmctldPidFile=$here/state/slurmctld.pid
SlurmdPidFile=$here/spool/%n.pid
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/linux
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
MinJobAge=60
KillWait=3
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStorageEnforce=associations
SlurmdParameters=config_overrides
$(for n in 1 2 3; do echo "NodeName=n$n NodeHostname=node NodeAddr=127.0.0.1 Port=1700$n CPUs=32 Sockets=1 CoresPerSocket=32 Weight=$n"; done)
PartitionName=plgrid Nodes=ALL Default=YES DefaultTime=01:00:00 MaxTime=3-00:00:00 State=UP
PartitionName=urgent Nodes=ALL PriorityTier=9 State=UP
$lines
END
cat >"$root$here/slurmdbd.conf" <<END
AuthType=auth/munge
CommunicationParameters=NoInAddrAny
DbdHost=node
DbdAddr=127.0.0.1
SlurmUser=slurm
PidFile=$here/state/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
END
chmod 600 "$root$here/slurmdbd.conf"
$in chown slurm: $here/slurmdbd.conf

# MariaDB is this machine's own, with its data in the directory.
data=$root$here/mariadb
mkdir -p "$data"
chown mysql: "$data"
mariadb-install-db --no-defaults --datadir="$data" --user=mysql --skip-test-db >/dev/null 2>&1
mariadbd --no-defaults --datadir="$data" --user=mysql --socket="$data/socket" --bind-address=127.0.0.1 \
    --innodb-lock-wait-timeout=900 >"$root$here/mariadb.log" 2>&1 &
until_it_works mariadb-admin --no-defaults --socket="$data/socket" ping
mariadb --no-defaults --socket="$data/socket" <<END
create database slurm; create user slurm@'127.0.0.1' identified by 'slurm'; grant all on slurm.* to slurm@'127.0.0.1';
END

chroot --userspec=munge "$root" munged --foreground >"$root$here/munged.log" 2>&1 &
# shellcheck disable=SC2086 # a command with its argument
until_it_works $in munge --no-input
as slurm slurmdbd -D >"$root$here/slurmdbd.log" 2>&1 &
until_it_works as root sacctmgr -n show cluster
as root sacctmgr -i add cluster recorded >/dev/null
as root sacctmgr -i add account plgtest description=test organization=test >/dev/null
for user in plgalice plgbob plgpoll; do as root sacctmgr -i add user $user account=plgtest >/dev/null; done
as root sacctmgr -i modify user plgpoll set adminlevel=Operator >/dev/null
as slurm slurmctld -D >"$root$here/slurmctld.log" 2>&1 &
until_it_works as root scontrol ping
for node in n1 n2 n3; do as root slurmd -D -N $node >"$root$here/slurmd-$node.log" 2>&1 & done
until_it_works sh -c "$in env SLURM_CONF=$here/slurm.conf sinfo -h -t idle -o %D | grep -qx 3"
read -r pid _ </proc/self/stat # this process as it is called outside, whose /proc this still is
echo "ready $pid"
wait
