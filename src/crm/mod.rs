//! What the CRM has to do with the phone: it says who calls (`[lookup]`), and is told what happens (`[webhooks]`).
//!
//! One thread with a runtime of its own: nothing here takes time of the loop that owns the phone, and a server that hangs delays
//! only its own answers.

mod http;
mod lookup;
mod signature;
mod webhook;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::config::{LookupConfig, WebhookConfig};
use crate::store::Reader;
use crate::ua::command::Webhooks as Ask;
use crate::ua::contact::{Contact, Lookup, Wanted};
use crate::ua::error::{Code, Error};
use crate::ua::io::{ReplyId, SessionId};
use http::Http;
use lookup::Lookups;
use webhook::Webhook;

pub use lookup::check_template;

/// Questions that may wait for the thread.
const QUESTIONS: usize = 64;
/// Look-ups and tests under way.
const JOBS: usize = 64;

/// What comes back.
#[derive(Debug)]
pub enum Told {
    /// Who the other party of a session is.
    Contact(SessionId, Contact),
    /// The answer to [`Crm::ask`].
    Answer(ReplyId, Result<Value, Error>),
}

/// The event log, as webhooks read it.
pub struct Source {
    /// Reads it.
    pub reader: Reader,
    /// Moves when there is more to read.
    pub written: watch::Receiver<u64>,
    /// The first event that a new webhook is told.
    pub first: u64,
    /// The folder of the store: each webhook keeps its place there.
    pub dir: PathBuf,
}

/// The way in. Its thread ends when this is dropped.
pub struct Crm {
    questions: mpsc::Sender<Question>,
}

enum Question {
    Lookup(Wanted),
    Webhooks(ReplyId, Ask),
}

impl Crm {
    /// Starts the thread. Waits for nothing.
    pub fn start(
        lookup: LookupConfig,
        webhooks: BTreeMap<String, WebhookConfig>,
        source: Option<Source>,
        told: mpsc::Sender<Told>,
    ) -> Crm {
        let (questions, inbox) = mpsc::channel(QUESTIONS);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(serve(lookup, webhooks, source, inbox, told)),
                Err(error) => tracing::error!(%error, "no webhooks and no look-ups"),
            }
        };
        // A thread that cannot start leaves its channel closed: what asks it is told so.
        if let Err(error) = thread::Builder::new().name("crm".into()).spawn(run) {
            tracing::error!(%error, "no webhooks and no look-ups");
        }
        Crm { questions }
    }

    /// `webhook.*`: the answer comes by the channel, or here when there is no room.
    pub fn ask(&self, reply: ReplyId, what: Ask) -> Option<Error> {
        let full = Error::new(Code::Unknown, "too many wait already").hint("ask again");
        self.questions.try_send(Question::Webhooks(reply, what)).err().map(|_| full)
    }

    /// Asks who that is: the answer comes by the channel, or here when there is no room.
    pub fn look_up(&self, wanted: Wanted) -> Option<Contact> {
        let failed = Contact { number: wanted.number.clone(), lookup: Lookup::Failed };
        self.questions.try_send(Question::Lookup(wanted)).err().map(|_| failed)
    }
}

/// `http://` or `https://`, a host.
pub fn check_url(url: &str) -> Result<(), String> {
    http::check(url)
}

/// A secret of the Standard Webhooks rules.
pub fn check_secret(secret: &str) -> Result<(), String> {
    signature::key(secret).map(drop)
}

async fn serve(
    lookup: LookupConfig,
    webhooks: BTreeMap<String, WebhookConfig>,
    source: Option<Source>,
    mut questions: mpsc::Receiver<Question>,
    told: mpsc::Sender<Told>,
) {
    let needs_web = lookup.url.is_some() || !webhooks.is_empty();
    let http = needs_web.then(Http::new);
    let lookups = http.clone().map(|http| Lookups::new(lookup, http));
    let mut hooks = BTreeMap::new();
    let mut jobs = JoinSet::new();
    let mut lives = JoinSet::new();
    if let (Some(http), Some(source)) = (http, source) {
        for (name, config) in webhooks {
            let (hook, life) = Webhook::start(&name, config, &source, http.clone());
            lives.spawn(life);
            hooks.insert(name, hook);
        }
    }
    loop {
        let question = tokio::select! {
            question = questions.recv() => question,
            Some(_) = jobs.join_next() => continue,
        };
        let Some(question) = question else { return };
        let told = told.clone();
        match question {
            Question::Lookup(wanted) => {
                let id = wanted.session;
                let answer = |lookup| Told::Contact(id, Contact { number: wanted.number.clone(), lookup });
                match lookups.clone().filter(|_| jobs.len() < JOBS) {
                    Some(lookups) => drop(jobs.spawn(async move {
                        let lookup = lookups.find(&wanted).await;
                        let _ = told.send(Told::Contact(id, Contact { number: wanted.number, lookup })).await;
                    })),
                    None => drop(told.send(answer(Lookup::Failed)).await),
                }
            }
            Question::Webhooks(reply, Ask::List) => {
                let list: Vec<Value> = hooks.values().map(Webhook::view).collect();
                let _ = told.send(Told::Answer(reply, Ok(json!(list)))).await;
            }
            Question::Webhooks(reply, Ask::Test(which)) => match named(&hooks, &which.name) {
                Ok(hook) => drop(jobs.spawn(async move {
                    let answer = hook.test().await;
                    let _ = told.send(Told::Answer(reply, Ok(answer))).await;
                })),
                Err(unknown) => drop(told.send(Told::Answer(reply, Err(unknown))).await),
            },
            Question::Webhooks(reply, Ask::Retry(which)) => match named(&hooks, &which.name) {
                Ok(hook) => drop(jobs.spawn(async move {
                    let answer = hook.retry(which.id.as_deref()).await;
                    let _ = told.send(Told::Answer(reply, answer)).await;
                })),
                Err(unknown) => drop(told.send(Told::Answer(reply, Err(unknown))).await),
            },
        }
    }
}

fn named(hooks: &BTreeMap<String, Webhook>, name: &str) -> Result<Webhook, Error> {
    let unknown = || Error::new(Code::InvalidParams, format!("there is no webhook {name:?}"));
    hooks.get(name).cloned().ok_or_else(|| unknown().path("name").hint("webhook.list names them"))
}
