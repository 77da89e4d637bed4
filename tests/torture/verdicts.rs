//! What becomes of each message of RFC 4475, and why where the RFC leaves a choice.

#![allow(dead_code)] // Not every test that takes this table in reads every column.

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Taken as it is.
    Accept,
    /// Refused with that status.
    Status(u16),
    /// Not answered.
    Drop,
}

/// What a stream makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// One message, and the verdict of a datagram.
    Same,
    /// Two messages, the first with the verdict of a datagram; then the second turns out longer than its
    /// Content-Length, and what is left over is no message: closed.
    Two,
    /// Refused with 400 and the stream closed: where the next message begins cannot be known (§3.1.2.3).
    Ends,
    /// Nothing yet: more bytes are awaited.
    Waits,
}

/// A row of the table.
pub struct Row {
    /// The RFC's name.
    pub name: &'static str,
    /// The section of RFC 4475.
    pub section: &'static str,
    /// What the parser says of a datagram.
    pub parser: Verdict,
    /// What the framer makes of it.
    pub stream: Stream,
    /// What the phone answers where the parser takes it.
    pub phone: Verdict,
    /// The choice, where there is one.
    pub why: &'static str,
}

use Stream::{Ends, Same, Two, Waits};
use Verdict::{Accept, Drop, Status};

const fn row(
    name: &'static str,
    section: &'static str,
    parser: Verdict,
    stream: Stream,
    phone: Verdict,
    why: &'static str,
) -> Row {
    Row { name, section, parser, stream, phone, why }
}

/// All 49.
pub const TABLE: [Row; 49] = [
    row("wsinv", "3.1.1.1", Accept, Same, Accept, "folding, compact names, space around everything"),
    row("intmeth", "3.1.1.2", Accept, Same, Status(501), "odd but valid characters; the method is not ours"),
    row("esc01", "3.1.1.3", Accept, Same, Accept, "escapes stay escapes"),
    row("escnull", "3.1.1.4", Accept, Same, Status(405), "%00 is no end of a string; we register nobody"),
    row("esc02", "3.1.1.5", Accept, Same, Status(501), "% is no escape in a method, nor in a header's name"),
    row("lwsdisp", "3.1.1.6", Accept, Same, Accept, "no space before the bracket"),
    row("longreq", "3.1.1.7", Accept, Same, Accept, "long values"),
    row("dblreq", "3.1.1.8", Accept, Two, Status(405), "in a datagram what follows the body is cut off"),
    row("semiuri", "3.1.1.9", Accept, Same, Accept, "the semicolon belongs to the user part"),
    row("transports", "3.1.1.10", Accept, Same, Accept, "any transport in a Via"),
    row("mpart01", "3.1.1.11", Accept, Same, Status(405), "the body is bytes; MESSAGE is not allowed here"),
    row("unreason", "3.1.1.12", Accept, Same, Drop, "UTF-8 phrase; no transaction waits for it"),
    row("noreason", "3.1.1.13", Accept, Same, Drop, "empty phrase; no transaction waits for it"),
    row(
        "badinv01",
        "3.1.2.1",
        Status(400),
        Same,
        Status(400),
        "a Via without protocol; the empty parameters alone would pass",
    ),
    row("clerr", "3.1.2.2", Status(400), Waits, Status(400), "the datagram is cut; a stream may bring the rest"),
    row("ncl", "3.1.2.3", Status(400), Ends, Status(400), "a negative length is none"),
    row("scalar02", "3.1.2.4", Status(400), Same, Status(400), "the CSeq does not fit 32 bits"),
    row("scalarlg", "3.1.2.5", Drop, Same, Drop, "the CSeq does not fit 32 bits, and a response is not answered"),
    row("quotbal", "3.1.2.6", Status(400), Same, Status(400), "no guess where the string ends"),
    row(
        "ltgtruri",
        "3.1.2.7",
        Status(400),
        Same,
        Status(400),
        "start lines are strict: two hops must not read them differently",
    ),
    row("lwsruri", "3.1.2.8", Status(400), Same, Status(400), "start lines are strict"),
    row("lwsstart", "3.1.2.9", Status(400), Same, Status(400), "start lines are strict"),
    row("trws", "3.1.2.10", Status(400), Same, Status(400), "start lines are strict"),
    row("escruri", "3.1.2.11", Status(400), Same, Status(400), "headers in a Request-URI are not for us to add"),
    row("baddate", "3.1.2.12", Accept, Same, Accept, "we do not need the Date; a call is not lost for it"),
    row(
        "regbadct",
        "3.1.2.13",
        Status(400),
        Same,
        Status(400),
        "whose headers they are cannot be told without brackets",
    ),
    row("badaspec", "3.1.2.14", Accept, Same, Accept, "space inside the brackets has one meaning only"),
    row(
        "baddn",
        "3.1.2.15",
        Status(400),
        Waits,
        Status(400),
        "as it is it has no empty line; with it: see the test below",
    ),
    row("badvers", "3.1.2.16", Status(505), Same, Status(505), "another version"),
    row("mismatch01", "3.1.2.17", Status(400), Same, Status(400), "the CSeq names another method"),
    row("mismatch02", "3.1.2.18", Status(400), Same, Status(400), "400 comes before 501: the CSeq is read first"),
    row("bigcode", "3.1.2.19", Drop, Same, Drop, "no status code"),
    row("badbranch", "3.2.1", Accept, Same, Accept, "the empty branch falls back to the matching of RFC 2543"),
    row("insuf", "3.3.1", Status(400), Same, Status(400), "no Call-ID, From or To: answered with what there is"),
    row("unkscm", "3.3.2", Accept, Same, Status(416), "a scheme we do not know"),
    row("novelsc", "3.3.3", Accept, Same, Status(416), "a scheme we do not know"),
    row("unksm2", "3.3.4", Accept, Same, Status(405), "any scheme in From, To and Contact; we register nobody"),
    row("bext01", "3.3.5", Accept, Same, Status(420), "extensions we do not know"),
    row("invut", "3.3.6", Accept, Same, Status(415), "a body that is no SDP"),
    row(
        "regaut01",
        "3.3.7",
        Accept,
        Same,
        Status(405),
        "a scheme of authorization is no syntax error; we register nobody",
    ),
    row("multi01", "3.3.8", Status(400), Same, Status(400), "Call-ID, CSeq, From and To twice"),
    row("mcl01", "3.3.9", Status(400), Ends, Status(400), "two lengths"),
    row("bcast", "3.3.10", Accept, Same, Drop, "a second Via: not for us; no transaction waits for it"),
    row("zeromf", "3.3.11", Accept, Same, Accept, "we are the end: no hop is needed"),
    row("cparam01", "3.3.12", Accept, Same, Status(405), "without brackets the parameter is the Contact's"),
    row("cparam02", "3.3.13", Accept, Same, Status(405), "in brackets it is the URI's"),
    row("regescrt", "3.3.14", Accept, Same, Status(405), "in brackets URI headers are plain"),
    row("sdp01", "3.3.15", Accept, Same, Status(406), "an Accept without SDP"),
    row("inv2543", "3.4.1", Accept, Ends, Accept, "RFC 2543: no branch, no From tag; on a stream a length is required"),
];

/// The bytes of a message.
pub fn bytes(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/torture/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
