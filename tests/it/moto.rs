//! Moto's server as S3 and SQS: the AWS that tests have.
//!
//! One server serves all tests of a run; buckets and queues have names of their own. It ends with the test process,
//! whatever becomes of that: it runs until its standard input closes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use reelmill::objects::aws::AwsOptions;

/// A running server.
pub struct Moto {
    /// Where it answers: `http://127.0.0.1:41527`.
    pub url: String,
    /// The Python that it runs on, which has boto3.
    pub python: PathBuf,
    _until_closed: Mutex<Child>,
}

/// Fate of whoever connects through a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It reaches the server.
    Open,
    /// It is hung up on.
    Shut,
    /// It is answered 503.
    Busy,
    /// It is never answered.
    Silent,
}

/// A way to a server that can be shut.
pub struct Gate {
    /// Where it is.
    pub url: String,
    way: Arc<Mutex<Way>>,
    /// What came over each connection.
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Gate {
    /// Ranges that were read of the object at `path` of the server, sorted: the first byte and the last. `None` where all of
    /// it was asked for.
    pub fn ranges(&self, path: &str) -> Vec<Option<(u64, u64)>> {
        let requests = self.requests.lock().unwrap();
        let mut ranges = Vec::new();
        for connection in requests.iter() {
            let text = String::from_utf8_lossy(connection);
            for request in text.split("GET ").skip(1).filter(|request| request.starts_with(path)) {
                let head = request.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
                let range = head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.split_once('-'));
                ranges.push(range.map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap())));
            }
        }
        ranges.sort_unstable();
        ranges
    }

    /// Shuts or opens it.
    pub fn set_open(&self, open: bool) {
        self.set(if open { Way::Open } else { Way::Shut });
    }

    /// Decides about those that connect from now on.
    pub fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }
}

/// Answers one request without a body.
fn refuse(mut client: TcpStream) {
    let _ = client.read(&mut [0; 16_384]);
    let _ = client.write_all(b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

/// Passes on what comes, until either side hangs up.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Passes on what comes, and writes it down.
fn pass_and_note(mut from: TcpStream, mut to: TcpStream, notes: &Mutex<Vec<Vec<u8>>>) {
    let connection = {
        let mut notes = notes.lock().unwrap();
        notes.push(Vec::new());
        notes.len() - 1
    };
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        notes.lock().unwrap()[connection].extend(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

impl Moto {
    /// The server, started when first asked for; nothing where it is not installed, which is said once.
    pub fn get() -> Option<&'static Self> {
        static MOTO: OnceLock<Option<Moto>> = OnceLock::new();
        MOTO.get_or_init(|| {
            let program = std::env::var_os("REELMILL_MOTO")
                .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/moto_server"), PathBuf::from);
            if program.exists() {
                return Some(Self::start(&program));
            }
            #[expect(clippy::print_stderr, reason = "who runs the tests should know what was not tested")]
            {
                eprintln!("skipped: no moto at {}; `infra/setup.sh` installs it", program.display());
            }
            None
        })
        .as_ref()
    }

    fn start(program: &Path) -> Self {
        let script = r#"exec 3<&0; "$0" -H 127.0.0.1 -p 0 </dev/null & server=$!; read -r _ <&3; kill $server"#;
        let mut shell = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell runs");
        let mut lines = BufReader::new(shell.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines
            .find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()))
            .expect("moto says where it listens");
        // Its log of requests has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        let python = program.with_file_name("python");
        Self { url, python, _until_closed: Mutex::new(shell) }
    }

    /// A way to the server that can be shut, and is open.
    pub fn gate(&self) -> Gate {
        let to = self.url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let way = Arc::new(Mutex::new(Way::Open));
        let now = Arc::clone(&way);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for client in listener.incoming().map_while(Result::ok) {
                let way = *now.lock().unwrap();
                match way {
                    Way::Open => silent.clear(),
                    Way::Shut => continue,
                    Way::Busy => {
                        std::thread::spawn(move || refuse(client));
                        continue;
                    }
                    Way::Silent => {
                        silent.push(client);
                        continue;
                    }
                }
                let Ok(server) = TcpStream::connect(&to) else { continue };
                let (from_client, from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let notes = Arc::clone(&noted);
                std::thread::spawn(move || pass_and_note(from_client, server, &notes));
                std::thread::spawn(move || pass(from_server, client));
            }
        });
        Gate { url, way, requests }
    }

    /// How its services are reached.
    pub fn options(&self) -> AwsOptions {
        AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(self.url.clone()),
            credentials: Some(("moto".to_owned(), "moto".to_owned())),
        }
    }
}
