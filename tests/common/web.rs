//! A web server of threads: it keeps what it is asked, and answers as the test says. It can die, and come back at its port.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::pki::Identity;
use super::wait::{free_port, now};

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
    /// A file of that type.
    File(&'static str, String),
    /// Sends elsewhere.
    Redirect(String),
    /// Never answers.
    Nothing,
    /// Closes the connection.
    Close,
}

/// A running server; it ends with the test.
pub struct Web {
    port: u16,
    own: Arc<Own>,
    listens: Option<JoinHandle<()>>,
}

type Answering = dyn Fn(&Asked, usize) -> Says + Send + Sync;

struct Own {
    answer: Box<Answering>,
    tls: Option<Arc<ServerConfig>>,
    asked: Mutex<Vec<Asked>>,
    open: Mutex<Vec<TcpStream>>,
    dead: AtomicBool,
}

impl Web {
    /// Serves: `answer` gets the request and how many came before it.
    pub fn start(answer: impl Fn(&Asked, usize) -> Says + Send + Sync + 'static) -> Web {
        Web::with(answer, None)
    }

    /// The same by HTTPS.
    pub fn start_tls(identity: &Identity, answer: impl Fn(&Asked, usize) -> Says + Send + Sync + 'static) -> Web {
        let chain = vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let tls = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Web::with(answer, Some(tls.into()))
    }

    fn with(answer: impl Fn(&Asked, usize) -> Says + Send + Sync + 'static, tls: Option<Arc<ServerConfig>>) -> Web {
        let own = Own {
            answer: Box::new(answer),
            tls,
            asked: Mutex::default(),
            open: Mutex::default(),
            dead: AtomicBool::new(true),
        };
        let mut web = Web { port: free_port(), own: Arc::new(own), listens: None };
        web.rise();
        web
    }

    /// Its port is closed, its connections break.
    pub fn die(&mut self) {
        self.own.dead.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.listens.take() {
            thread.join().unwrap();
        }
        self.own.open.lock().unwrap().drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    /// It is there again.
    pub fn rise(&mut self) {
        self.own.dead.store(false, Ordering::SeqCst);
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        let own = self.own.clone();
        self.listens = Some(std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.dead.load(Ordering::SeqCst) {
                    return;
                }
                let (own, end) = (own.clone(), stream.try_clone().unwrap());
                own.open.lock().unwrap().push(stream.try_clone().unwrap());
                std::thread::spawn(move || {
                    match &own.tls {
                        None => own.serve(stream),
                        Some(tls) => own.serve(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), stream)),
                    }
                    drop(end.shutdown(Shutdown::Both));
                });
            }
        }));
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.own.asked.lock().unwrap().clone()
    }
}

impl Own {
    fn serve(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        while let Some(asked) = read(&mut stream) {
            let before = {
                let mut all = self.asked.lock().unwrap();
                all.push(asked.clone());
                all.len() - 1
            };
            let json = "application/json";
            let (status, more, kind, body) = match (self.answer)(&asked, before) {
                Says::Answer(after, status, body) => {
                    std::thread::sleep(after);
                    (status, String::new(), json, body)
                }
                Says::File(kind, body) => (200, String::new(), kind, body),
                Says::Redirect(to) => (302, format!("Location: {to}\r\n"), json, String::new()),
                Says::Nothing => {
                    let _ = stream.read(&mut [0]); // until the other side gives up
                    return;
                }
                Says::Close => return,
            };
            let head = format!("HTTP/1.1 {status} X\r\n{more}Content-Type: {kind}\r\nContent-Length: ");
            let text = format!("{head}{}\r\n\r\n{body}", body.len());
            let sent = stream.get_mut().write_all(text.as_bytes()).and_then(|()| stream.get_mut().flush());
            if sent.is_err() {
                return;
            }
        }
    }
}

fn read(stream: &mut impl BufRead) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|n| *n > 0).map(|_| line.trim_end().to_owned())
    };
    let target = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked { at: now(), target, headers, body })
}
