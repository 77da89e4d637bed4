//! A web server of threads: it keeps what it is asked, and answers as the test says.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::wait::now;

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When it was there.
    pub at: Instant,
    /// Path and query.
    pub target: String,
    /// By name, in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Says {
    /// Answers after so long: status, body.
    Answer(Duration, u16, String),
    /// Never answers.
    Nothing,
    /// Closes the connection.
    Close,
}

/// A running server; it ends with the test.
pub struct Web {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// Serves: `answer` gets the request and how many came before it.
    pub fn start(answer: impl Fn(&Asked, usize) -> Says + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::default());
        let (answer, all) = (Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), answer, all) = (stream, answer.clone(), Arc::clone(&all)) else { continue };
                std::thread::spawn(move || serve(stream, &*answer, &all));
            }
        });
        Web { port, asked }
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, answer: &(dyn Fn(&Asked, usize) -> Says + Send + Sync), all: &Mutex<Vec<Asked>>) {
    let mut writing = stream.try_clone().unwrap();
    let mut reading = BufReader::new(stream);
    while let Some(asked) = read(&mut reading) {
        let before = {
            let mut all = all.lock().unwrap();
            all.push(asked.clone());
            all.len() - 1
        };
        match answer(&asked, before) {
            Says::Answer(after, status, body) => {
                std::thread::sleep(after);
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                if writing.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
            Says::Nothing => {
                let _ = reading.read(&mut [0]); // until the other side gives up
                return;
            }
            Says::Close => return,
        }
    }
}

fn read(reading: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        reading.read_line(&mut line).ok().filter(|n| *n > 0).map(|_| line.trim_end().to_owned())
    };
    let target = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reading.read_exact(&mut body).ok()?;
    Some(Asked { at: now(), target, headers, body })
}
