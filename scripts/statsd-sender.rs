//! Sends numbered statsd datagrams, each with a call of its own like a program would, and says how fast that was.
//!
//!     statsd-sender ADDRESS COUNT RATE SERIES
//!
//! RATE is datagrams a second, 0 for as many as go. Compiled by `scripts/bench-statsd`; the standard library is all that it needs.
use std::{env, fmt::Write, net::UdpSocket, time::Instant};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = env::args().collect();
    let [_, address, numbers @ ..] = arguments.as_slice() else { panic!("statsd-sender ADDRESS COUNT RATE SERIES") };
    let numbers: Vec<u64> = numbers.iter().map(|text| text.parse().expect("a number")).collect();
    let [count, rate, series] = numbers[..] else { panic!("statsd-sender ADDRESS COUNT RATE SERIES") };
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    let mut line = String::new();
    let begin = Instant::now();
    for number in 0..count {
        line.clear();
        // Three counters to one timer, as programs do it; all counters together come to their number.
        let written = match number % 4 {
            3 => write!(line, "bench.time:{}|ms|#service:api,route:r{}", number % 500, number % series),
            _ => write!(line, "bench.count:1|c|#service:api,route:r{}", number % series),
        };
        written.expect("a string takes everything");
        // A look at the clock at each of them: what is late is made up for.
        while rate > 0 && begin.elapsed().as_secs_f64() < number as f64 / rate as f64 {
            std::hint::spin_loop();
        }
        socket.send(line.as_bytes())?;
    }
    println!("{}", begin.elapsed().as_secs_f64());
    Ok(())
}
