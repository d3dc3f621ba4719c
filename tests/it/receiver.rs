//! A receiver of webhooks that fails, hangs and redirects when its path says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::support::wait_for;

/// A delivery, whether it was taken or not.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The path it came to.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Delivery {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// It listens on this machine, and takes everything but what comes to:
/// `/fail` (500, for ever), `/flaky` (500, at first), `/hang` (no answer), `/away` (307 to the other address), `/home` (307
/// to `/ok`), `/see-other` (303 to `/ok`), `/gone` (410), `/later` (429: not within an hour), `/date` (503: not before the
/// year 2100).
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    seen: Arc<Mutex<Vec<Delivery>>>,
}

impl Receiver {
    /// One that leads `/away` to `other`.
    pub fn new(other: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self { url: format!("http://{}", listener.local_addr().unwrap()), seen: Arc::default() };
        let (server, other) = (this.clone(), other.to_owned());
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (server, other) = (server.clone(), other.clone());
                std::thread::spawn(move || server.serve(&socket, &other));
            }
        });
        this
    }

    fn serve(&self, socket: &TcpStream, other: &str) -> Option<()> {
        let mut reader = BufReader::new(socket);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            let path = line.split(' ').nth(1)?.to_owned();
            let mut headers = Vec::new();
            loop {
                line.clear();
                reader.read_line(&mut line).ok()?;
                let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            let mut delivery = Delivery { path: path.clone(), headers, body: Vec::new() };
            let length = delivery.header("content-length").parse().unwrap_or(0);
            reader.by_ref().take(length).read_to_end(&mut delivery.body).ok()?;
            let before = self.at(&path).len();
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
            let mut more = "";
            let (status, location) = match path.as_str() {
                "/fail" => (500, None),
                "/flaky" if before == 0 => (500, None),
                "/hang" => {
                    // Until the other side gives up.
                    let _ = reader.read_line(&mut line);
                    return None;
                }
                "/away" => (307, Some(format!("{other}/ok"))),
                "/home" => (307, Some("/ok".to_owned())),
                "/gone" => (410, None),
                "/later" => {
                    more = "retry-after: 3600\r\n";
                    (429, None)
                }
                "/date" => {
                    more = "retry-after: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
                    (503, None)
                }
                "/see-other" => (303, Some("/ok".to_owned())),
                _ => (204, None),
            };
            let location = location.map(|to| format!("location: {to}\r\n")).unwrap_or_default();
            write!(&mut &*socket, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\n{location}{more}\r\n").ok()?;
        }
    }

    /// What came to a path.
    pub fn at(&self, path: &str) -> Vec<Delivery> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|delivery| delivery.path == path).cloned().collect()
    }

    /// Waits until so many came to a path.
    pub fn wait(&self, path: &str, count: usize) -> Vec<Delivery> {
        wait_for(&format!("{count} deliveries to {path}"), || Some(self.at(path)).filter(|all| all.len() >= count))
    }
}
