//! `phonectl top`: accounts, calls and events as they are now, and keys to act on a call.

mod screen;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::{Value, json};

use super::client::{Client, Failure};
use screen::Screen;

/// Between two looks at the daemon.
const PACE: Duration = Duration::from_millis(100);
/// Between two tries where there is no daemon; clocks move on as often.
const SECOND: Duration = Duration::from_secs(1);

/// What can happen.
enum News {
    Key(KeyEvent),
    Resized,
    Event(Box<Value>),
    /// The daemon is gone: why.
    Lost(String),
}

/// Shows it until q is pressed.
pub(super) fn run(socket: Option<PathBuf>, first: Client) -> Result<(), Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(Failure::Usage("top wants a terminal; `phonectl watch` prints events".into()));
    }
    let (sender, news) = sync_channel(256);
    let mut terminal = ratatui::init();
    let keys = sender.clone();
    thread::spawn(move || read_keys(&keys));
    let mut screen = Screen::default();
    let mut daemon = follow(&socket, &sender, Ok(first), &mut screen);
    loop {
        if daemon.is_none() {
            daemon = follow(&socket, &sender, Client::connect(socket.clone()), &mut screen);
        }
        if let Some(client) = &mut daemon
            && let Err(failure) = look(client, &mut screen)
        {
            screen.told = failure.to_string();
            // Whoever only refuses is there.
            if matches!(failure, Failure::Unreachable(_)) {
                daemon = None;
            }
        }
        screen.connected = daemon.is_some();
        let drawn = terminal.draw(|frame| screen.draw(frame));
        if drawn.is_err() || !take(&news, &mut daemon, &mut screen) {
            ratatui::restore();
            return Ok(());
        }
        thread::sleep(PACE);
    }
}

/// Subscribes with a connection of its own; what comes goes to `sender`. None: there is no daemon, and the screen says so.
fn follow(
    socket: &Option<PathBuf>,
    sender: &SyncSender<News>,
    client: Result<Client, Failure>,
    screen: &mut Screen,
) -> Option<Client> {
    let subscribed = client.and_then(|mut client| {
        screen.info = client.call("daemon.info", json!({}))?;
        let mut events = Client::connect(socket.clone())?;
        events.call("events.subscribe", json!({}))?;
        Ok((client, events))
    });
    let (client, mut events) = match subscribed {
        Ok(both) => both,
        Err(failure) => {
            screen.told = failure.to_string();
            return None;
        }
    };
    screen.told.clear();
    let sender = sender.clone();
    thread::spawn(move || {
        loop {
            let news = events.event().map_or_else(|lost| News::Lost(lost.to_string()), |e| News::Event(Box::new(e)));
            let over = matches!(news, News::Lost(_));
            if sender.send(news).is_err() || over {
                return;
            }
        }
    });
    Some(client)
}

fn read_keys(sender: &SyncSender<News>) {
    while let Ok(event) = event::read() {
        let news = match event {
            Event::Key(key) if key.kind == KeyEventKind::Press => News::Key(key),
            Event::Resize(..) => News::Resized,
            _ => continue,
        };
        if sender.send(news).is_err() {
            return;
        }
    }
}

/// Asks for what is there.
fn look(client: &mut Client, screen: &mut Screen) -> Result<(), Failure> {
    screen.accounts = list(client.call("account.list", json!({}))?);
    screen.set_sessions(list(client.call("phone.getSession", json!({}))?));
    Ok(())
}

fn list(value: Value) -> Vec<Value> {
    if let Value::Array(values) = value { values } else { Vec::new() }
}

/// Waits for something to happen, a second at most, and takes all that has. False: it is over.
fn take(news: &Receiver<News>, daemon: &mut Option<Client>, screen: &mut Screen) -> bool {
    let mut next = match news.recv_timeout(SECOND) {
        Err(RecvTimeoutError::Timeout) => return true,
        Err(RecvTimeoutError::Disconnected) => return false,
        Ok(news) => Some(news),
    };
    while let Some(now) = next {
        match now {
            News::Resized => {}
            News::Event(event) => screen.take(&event),
            News::Lost(why) => (*daemon, screen.told) = (None, why),
            News::Key(key) => {
                let ends = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
                if ends || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                    return false;
                }
                press(key.code, daemon, screen);
            }
        }
        next = news.try_recv().ok();
    }
    true
}

/// A key acts on the chosen call.
fn press(key: KeyCode, daemon: &mut Option<Client>, screen: &mut Screen) {
    match key {
        KeyCode::Up | KeyCode::Char('k') => return screen.choose(-1),
        KeyCode::Down | KeyCode::Char('j') => return screen.choose(1),
        _ => {}
    }
    let Some((client, chosen)) = daemon.as_mut().zip(screen.chosen()) else { return };
    let is = |flag: &str| chosen["status"][flag] == true;
    let method = match key {
        KeyCode::Char('a') => "session.answer",
        KeyCode::Char('x') => "session.hangup",
        KeyCode::Char('h') if is("isHold") => "session.unhold",
        KeyCode::Char('h') => "session.hold",
        KeyCode::Char('m') if is("isMute") => "session.unmute",
        KeyCode::Char('m') => "session.mute",
        _ => return,
    };
    let done = client.call(method, json!({ "callId": chosen["callId"] }));
    screen.told = done.err().map(|failure| failure.to_string()).unwrap_or_default();
}
