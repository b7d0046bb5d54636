//! Two lists of the kernel, for which nobody needs a privilege. Addresses are not looked at: each socket counts.
use super::{Sockets, pcblist};
use crate::platform::mach;
use std::io;

pub fn sockets() -> io::Result<Sockets> {
    let mut sockets = Sockets::default();
    pcblist::streams(&mach::sysctl(&mach::sysctl_name(c"net.inet.tcp.pcblist_n")?)?, &mut sockets);
    sockets.datagrams = pcblist::datagrams(&mach::sysctl(&mach::sysctl_name(c"net.inet.udp.pcblist_n")?)?);
    Ok(sockets)
}
