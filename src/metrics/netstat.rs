//! `netstat`: how many sockets there are in which state. What counts once is written in `platform::connections`. Zeros are published, too.
use super::{CollectError, Collector, Entry, Readings};
use crate::{
    config::settings::metrics::Plugin,
    platform::connections::{self, Sockets, State},
};
use std::io;

pub(super) const ENTRY: Entry = Entry { key: "netstat", build };

struct Netstat {
    read: Box<dyn FnMut() -> io::Result<Sockets> + Send>,
}

fn build(_: &Plugin) -> Box<dyn Collector> {
    Box::new(Netstat { read: Box::new(connections::sockets) })
}

impl Collector for Netstat {
    fn collect(&mut self, out: &mut Readings<'_>) -> Result<(), CollectError> {
        let sockets = (self.read)().map_err(CollectError::read("the states of the sockets"))?;
        let mut out = out.of(&[]);
        for state in State::ALL {
            out.push(name(state), sockets.of(state) as f64);
        }
        out.push("udp_socket", sockets.datagrams as f64);
        Ok(())
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Established => "tcp_established",
        State::SynSent => "tcp_syn_sent",
        State::SynReceived => "tcp_syn_recv",
        State::FinWait1 => "tcp_fin_wait1",
        State::FinWait2 => "tcp_fin_wait2",
        State::TimeWait => "tcp_time_wait",
        State::Close => "tcp_close",
        State::CloseWait => "tcp_close_wait",
        State::LastAck => "tcp_last_ack",
        State::Listen => "tcp_listen",
        State::Closing => "tcp_closing",
        State::None => "tcp_none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trial::{Run, found};

    #[test]
    fn every_state_has_its_name_and_zeros_are_published() {
        let mut sockets = Sockets::default();
        sockets.datagrams = 7;
        let points = Run::of("netstat").read(&mut Netstat { read: Box::new(move || Ok(sockets)) });
        assert_eq!(points.len(), 13);
        assert_eq!(found(&points, "netstat_udp_socket", &[]), Some(7.0));
        for state in State::ALL {
            assert_eq!(found(&points, &format!("netstat_{}", name(state)), &[]), Some(0.0), "{state:?}");
        }
    }
}
