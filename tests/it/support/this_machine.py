"""What psutil and the files of the kernel say of this machine, in the words of our plugins. Loaded by a test beside psutil itself."""
import os

import psutil


def meminfo():
    lines = (line.split() for line in open("/proc/meminfo"))
    return {name.rstrip(":"): int(amount) * 1024 for name, amount, *_ in lines}


def mem():
    m, k = psutil.virtual_memory(), meminfo()
    return dict(total=m.total, free=m.free, available=m.available, active=m.active, inactive=m.inactive,
                buffered=m.buffers, cached=m.cached, shared=m.shared,
                used=k["MemTotal"] - k["MemFree"] - k["Buffers"] - k["Cached"] - k["SReclaimable"])


def cpu(times):
    d = times._asdict()
    d["active"] = sum(d[k] for k in ("user", "nice", "system", "iowait", "irq", "softirq", "steal"))
    return d


def cpus():
    d = {"cpu-total": cpu(psutil.cpu_times())}
    d.update((f"cpu{n}", cpu(t)) for n, t in enumerate(psutil.cpu_times(percpu=True)))
    return d


def swap():
    s = psutil.swap_memory()
    return dict(free=s.free, used=s.used, used_percent=100 * s.used / s.total if s.total else 0)


def disks():
    d = {}
    for p in psutil.disk_partitions(all=True):
        d.pop(p.mountpoint, None)
        if p.fstype == "autofs":
            continue
        try:
            v = os.statvfs(p.mountpoint)
        except OSError:
            continue
        if v.f_blocks:
            u = psutil.disk_usage(p.mountpoint)
            d[p.mountpoint] = dict(fstype=p.fstype, device=p.device.replace("/dev/", ""), total=u.total, used=u.used, free=u.free,
                                   used_percent=100 * u.used / (u.used + u.free) if u.used + u.free else 0,
                                   inodes_total=v.f_files, inodes_free=v.f_ffree, inodes_used=v.f_files - v.f_ffree)
    return d


def sockets():
    seen = {(c.type, str(c.laddr), str(c.raddr), c.status) for c in psutil.net_connections(kind="all")}
    d = dict.fromkeys(("tcp_established", "tcp_syn_sent", "tcp_syn_recv", "tcp_fin_wait1", "tcp_fin_wait2", "tcp_time_wait",
                       "tcp_close", "tcp_close_wait", "tcp_last_ack", "tcp_listen", "tcp_closing", "tcp_none", "udp_socket"), 0)
    for kind, _, _, status in seen:
        d["udp_socket" if kind == 2 else "tcp_" + status.lower()] += 1
    return d


def processes():
    names = {"running": "running", "sleeping": "sleeping", "disk-sleep": "blocked", "stopped": "stopped",
             "tracing-stop": "stopped", "zombie": "zombies", "dead": "dead", "idle": "idle"}
    d = dict.fromkeys(list(names.values()) + ["paging", "total", "total_threads"], 0)
    for p in psutil.process_iter():
        try:
            with p.oneshot():
                status, threads = p.status(), p.num_threads()
        except psutil.Error:
            continue
        d["total"] += 1
        d["total_threads"] += threads
        if status in names:
            d[names[status]] += 1
    return d


def everything():
    return dict(mem=mem(), cpu=cpus(), swap=swap(), disk=disks(), netstat=sockets(), processes=processes())


def moved(interface):
    n = psutil.net_io_counters(pernic=True, nowrap=False)[interface]
    d = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    return dict(net=dict(bytes_sent=n.bytes_sent, bytes_recv=n.bytes_recv, packets_sent=n.packets_sent, packets_recv=n.packets_recv),
                disk={k: dict(reads=v.read_count, writes=v.write_count, read_bytes=v.read_bytes, write_bytes=v.write_bytes,
                              io_time=v.busy_time) for k, v in d.items() if any(v)})
