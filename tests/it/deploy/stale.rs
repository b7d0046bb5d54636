//! A user pool as it was before anybody was in it: every list of users is empty, all else is moto's answer.
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
};

pub struct Stale {
    url: String,
}

impl Stale {
    /// In front of this server.
    pub fn before(moto: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let moto = moto.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let moto = moto.clone();
                std::thread::spawn(move || pass(&connection, &moto));
            }
        });
        Self { url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

/// One request of a connection, which ends with its answer.
fn pass(mut connection: &TcpStream, moto: &str) -> Option<()> {
    let mut reader = BufReader::new(connection);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![];
    reader.take(length).read_to_end(&mut body).ok()?;
    if head.contains("ListUsers") {
        let empty = "{\"Users\":[]}";
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{empty}",
            empty.len()
        );
        return connection.write_all(answer.as_bytes()).ok();
    }
    let mut server = TcpStream::connect(moto).ok()?;
    server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).ok()?;
    server.write_all(&body).ok()?;
    std::io::copy(&mut server, &mut connection).ok().map(drop)
}
