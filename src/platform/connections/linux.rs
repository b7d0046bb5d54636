//! Five files of `/proc/net`, read line by line.
use super::{
    Sockets,
    tables::{Counter, Table},
};
use crate::platform::procfs;
use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

/// As much as the kernel writes at once, and more does not help.
const BUFFER: usize = 16 * 1_024;

pub fn sockets() -> io::Result<Sockets> {
    read(procfs::proc())
}

fn read(proc: &Path) -> io::Result<Sockets> {
    let mut counter = Counter::default();
    let tables = [
        ("net/tcp", Table::Tcp),
        ("net/tcp6", Table::Tcp),
        ("net/udp", Table::Udp),
        ("net/udp6", Table::Udp),
        ("net/unix", Table::Unix),
    ];
    for (name, table) in tables {
        let path = proc.join(name);
        let shown = path.display().to_string();
        let named = |e: io::Error| match e.kind() {
            // It has the name already.
            io::ErrorKind::InvalidData => e,
            kind => io::Error::new(kind, format!("{shown}: {e}")),
        };
        match File::open(&path) {
            Ok(file) => counter.read(table, &shown, BufReader::with_capacity(BUFFER, file)).map_err(named)?,
            // A kernel without IPv6 has no tables of it.
            Err(e) if e.kind() == io::ErrorKind::NotFound && name.ends_with('6') => {}
            Err(e) => return Err(named(e)),
        }
    }
    Ok(counter.sockets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_kernel_without_ipv6_is_no_error_and_one_without_tcp_is() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let net = folder.path().join("net");
        fs::create_dir(&net).expect("created");
        fs::write(net.join("udp"), "heading\n1: 0:1 0:0 07\n").expect("written");
        fs::write(net.join("unix"), "heading\n").expect("written");
        let error = read(folder.path()).expect_err("no TCP");
        assert!(error.to_string().contains("net/tcp: "), "{error}");
        fs::write(net.join("tcp"), "heading\n").expect("written");
        assert_eq!(read(folder.path()).expect("read").datagrams, 1);
    }
}
