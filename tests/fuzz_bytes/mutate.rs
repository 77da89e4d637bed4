//! Messages to start from, and what is done to them.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Longer messages are cut: time goes into variety.
const LONGEST: usize = 8192;

/// Bytes that mean something to a reader of SIP.
const TELLING: &[u8] = b"\r\n\0\t \"\\<>;,:@%=?[]*/.-0\xff\xe9\x80";

/// Words that do.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\r\n ",
    "SIP/2.0",
    "Content-Length: 5\r\n",
    "l: 0\r\n",
    "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n",
    "v: ",
    "m: *\r\n",
    "Contact: <sip:a@[::1]:5>;q=0.1,\"b, c\" <sips:d>\r\n",
    "To: ",
    "CSeq: 1 INVITE\r\n",
    "%00",
    "%",
    "\"",
    "<sip:",
    ">;tag=",
    "[2001:db8::1]",
    ";lr",
    "?a=b&c=d",
    "tel:+1-2;x=y",
    "\u{e9}\u{20ac}\u{1f600}",
    "Digest realm=\"a\", nonce=\"b\"",
    "WWW-Authenticate: Digest realm=\"r\",nonce=\"n\",qop=\"auth,auth-int\",algorithm=SHA-256\r\n",
];

/// Numbers on the edge of something.
#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "00000000000000000000000000000000000001",
    "99999999999999999999999999999999999999999999",
];

/// The messages of RFC 4475 and some everyday ones.
pub fn corpus() -> Vec<Vec<u8>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/torture");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .and_then(|files| files.map(|file| Ok(file?.path())).collect())
        .expect("the corpus can be listed");
    files.sort();
    let mut corpus: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("the corpus can be read")).collect();
    assert_eq!(corpus.len(), 49);
    corpus.extend(EVERYDAY.iter().map(|message| message.replace('\n', "\r\n").into_bytes()));
    corpus
}

/// An endless row of mutated messages, the same for the same seed.
pub struct Mutator<'a> {
    rng: ChaCha20Rng,
    corpus: &'a [Vec<u8>],
    bytes: Vec<u8>,
}

impl<'a> Mutator<'a> {
    pub fn new(seed: u64, corpus: &'a [Vec<u8>]) -> Self {
        Mutator { rng: ChaCha20Rng::seed_from_u64(seed), corpus, bytes: Vec::new() }
    }

    /// The next message.
    pub fn message(&mut self) -> &[u8] {
        let corpus = self.corpus;
        let start = &corpus[self.below(corpus.len())];
        self.bytes.clear();
        self.bytes.extend_from_slice(start);
        for _ in 0..=self.below(4) {
            self.mutate();
        }
        self.bytes.truncate(LONGEST);
        &self.bytes
    }

    fn mutate(&mut self) {
        if self.bytes.is_empty() {
            self.bytes.push(b'S');
        }
        let at = self.below(self.bytes.len());
        match self.below(11) {
            0 => self.bytes[at] ^= 1 << self.below(8),
            1 => self.bytes[at] = TELLING[self.below(TELLING.len())],
            2 => {
                let byte = TELLING[self.below(TELLING.len())];
                self.bytes.insert(at, byte);
            }
            3 => {
                let gone = self.range(at, 32);
                self.bytes.drain(gone);
            }
            4 => {
                let range = self.range(at, 64);
                let copy = self.bytes[range].to_vec();
                let to = self.below(self.bytes.len());
                self.insert(to, &copy);
            }
            5 => {
                let corpus = self.corpus;
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len());
                let to = (from + self.below(200)).min(other.len());
                self.insert(at, &other[from..to]);
            }
            6 => self.number(at),
            7 => {
                let word = WORDS[self.below(WORDS.len())];
                self.insert(at, word.as_bytes());
            }
            8 => self.line(|rest, line| rest.extend([line.clone(), line].concat())),
            9 => self.line(|rest, line| rest.splice(..0, line).for_each(drop)),
            _ => self.line(|_, _| {}),
        }
    }

    /// Puts another number in the place of the next one.
    fn number(&mut self, at: usize) {
        let digit = |byte: &u8| byte.is_ascii_digit();
        let Some(start) = self.bytes[at..].iter().position(digit).map(|from| at + from) else { return };
        let length = self.bytes[start..].iter().take_while(|byte| digit(byte)).count();
        let number = NUMBERS[self.below(NUMBERS.len())];
        self.bytes.splice(start..start + length, number.bytes());
    }

    /// Takes a line out behind the first and hands it over with what comes after it.
    fn line(&mut self, change: impl Fn(&mut Vec<u8>, Vec<u8>)) {
        let ends: Vec<_> = (0..self.bytes.len()).filter(|at| self.bytes[*at] == b'\n').collect();
        if ends.len() < 3 {
            return;
        }
        let which = self.below(ends.len() - 1);
        let mut rest = self.bytes.split_off(ends[which] + 1);
        let after = rest.split_off(ends[which + 1] - ends[which]);
        let mut changed = after;
        change(&mut changed, rest);
        self.bytes.extend(changed);
    }

    fn insert(&mut self, at: usize, new: &[u8]) {
        self.bytes.splice(at..at, new.iter().copied());
    }

    fn range(&mut self, at: usize, longest: usize) -> std::ops::Range<usize> {
        at..(at + 1 + self.below(longest)).min(self.bytes.len())
    }

    fn below(&mut self, end: usize) -> usize {
        self.rng.next_u32() as usize % end
    }
}

const EVERYDAY: &[&str] = &[
    "INVITE sip:100@192.0.2.10:5060;transport=udp SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK3ad7.1;rport
Via: SIP/2.0/TCP [2001:db8::7]:40312;received=2001:db8::8;rport=40312;branch=z9hG4bKnashds8
Record-Route: <sip:192.0.2.1;lr;ftag=88a>, <sip:[2001:db8::1];transport=tcp;lr>
Max-Forwards: 69
From: \"Jos\u{e9} \\\"J\\\" P\" <sip:%2B34911@example.com;user=phone>;tag=88a
To: <sip:100@example.com>
Call-ID: 1f2e3d@192.0.2.1
CSeq: 102 INVITE
Contact: <sip:34911@[2001:db8::7]:40312;transport=tcp;ob>;+sip.instance=\"<urn:uuid:0>\"
Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK, REFER, NOTIFY
Supported: timer,100rel, replaces , outbound
Session-Expires: 1800;refresher=uac
P-Asserted-Identity: \"A\" <sip:a@example.com>, <tel:+34911>
User-Agent: test
Content-Type: application/sdp
Content-Length: 132

v=0
o=- 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 8 0 101
a=rtpmap:101 telephone-event/8000
a=sendrecv
",
    "SIP/2.0 401 Unauthorized
Via: SIP/2.0/UDP 192.0.2.10:5060;received=198.51.100.2;rport=1024;branch=z9hG4bK5
From: <sip:100@example.com>;tag=5
To: <sip:100@example.com>;tag=b27e
Call-ID: r1
CSeq: 1 REGISTER
WWW-Authenticate: Digest realm=\"example.com\", nonce=\"a/b+c==\", qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"o\"
WWW-Authenticate: Digest realm=\"example.com\", nonce=\"a/b+c==\", stale=true, Digest realm=\"x\", nonce=y
Content-Length: 0

",
    "SIP/2.0 200 OK
v: SIP/2.0/TLS 192.0.2.10:5061;branch=z9hG4bK6
f: <sip:100@example.com>;tag=5
t: sip:100@example.com;tag=b27e
i: r1
CSeq: 2 REGISTER
m: <sip:100@198.51.100.2:1024;ob>;expires=3600;reg-id=1, <sip:100@192.0.2.77>;expires=12
Path: <sip:192.0.2.1;lr>
Service-Route: <sip:192.0.2.2;lr>,<sip:192.0.2.3;lr>
l: 0

",
    "NOTIFY sip:100@192.0.2.10 SIP/2.0
Via: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK7
From: <sip:200@example.com>;tag=x
To: <sip:100@example.com>;tag=y
Call-ID: n1
CSeq: 9 NOTIFY
Event: refer;id=3
Subscription-State: active;expires=60
Contact: <sip:200@192.0.2.1>
Reason: SIP;cause=200;text=\"Call completed elsewhere\", Q.850;cause=16
Content-Type: message/sipfrag;version=2.0
Content-Length: 19

SIP/2.0 180 Ringing",
];
