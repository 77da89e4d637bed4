//! What `phonectl top` knows, and how it is drawn.

use std::collections::{BTreeMap, VecDeque};

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table};
use serde_json::Value;

use crate::ctl::show::{self, clean, text};

/// Events that are kept.
const EVENTS: usize = 100;
/// Reports in a plot: a minute of them.
const REPORTS: usize = 20;
/// Of a MOS of 1 and below, and of 4.5.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// All that is shown.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// The daemon's name, version, pid, uptime.
    pub info: Value,
    pub accounts: Vec<Value>,
    /// There is a daemon.
    pub connected: bool,
    /// What went wrong last.
    pub told: String,
    sessions: Vec<Value>,
    /// The last MOS of each call.
    mos: BTreeMap<String, VecDeque<f64>>,
    /// The last events, newest first.
    events: VecDeque<String>,
    /// The chosen call.
    chosen: Option<String>,
}

impl Screen {
    /// The calls of now.
    pub fn set_sessions(&mut self, sessions: Vec<Value>) {
        let id = |session: &Value| session["callId"].as_str().unwrap_or_default().to_owned();
        self.mos.retain(|call, _| sessions.iter().any(|session| id(session) == *call));
        if self.chosen.as_ref().is_none_or(|chosen| sessions.iter().all(|session| id(session) != *chosen)) {
            let rings = sessions.iter().find(|session| session["status"]["isRing"] == true);
            self.chosen = rings.or(sessions.first()).map(id);
        }
        self.sessions = sessions;
    }

    /// Something has happened.
    pub fn take(&mut self, event: &Value) {
        match event["event"].as_str() {
            Some("updateTimer") => {}
            Some("callReport") => {
                let mos = event["data"]["metrics"]["mos"].as_f64().filter(|mos| *mos > 0.0);
                if let Some((call, mos)) = event["callId"].as_str().zip(mos) {
                    let all = self.mos.entry(call.to_owned()).or_default();
                    all.push_back(mos);
                    all.drain(..all.len().saturating_sub(REPORTS));
                }
            }
            _ => {
                self.events.push_front(show::event(event, false));
                self.events.truncate(EVENTS);
            }
        }
    }

    /// The next call, or the one before.
    pub fn choose(&mut self, step: isize) {
        let at = self.at().unwrap_or(0).saturating_add_signed(step).min(self.sessions.len().saturating_sub(1));
        self.chosen = self.sessions.get(at).and_then(|session| Some(session["callId"].as_str()?.to_owned()));
    }

    /// The chosen call.
    pub fn chosen(&self) -> Option<&Value> {
        self.sessions.get(self.at()?)
    }

    fn at(&self) -> Option<usize> {
        let chosen = self.chosen.as_deref()?;
        self.sessions.iter().position(|session| session["callId"] == chosen)
    }

    /// Puts it on the terminal.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let height = |rows: usize| Constraint::Length(u16::try_from(rows.clamp(1, 12)).unwrap_or(12) + 2);
        let parts = Layout::vertical([
            Constraint::Length(1),
            height(self.accounts.len()),
            height(self.sessions.len() + 1),
            Constraint::Min(3),
            Constraint::Length(1),
            Constraint::Length(1),
        ]);
        let [head, accounts, calls, events, told, keys] = parts.areas(frame.area());
        frame.render_widget(self.head(), head);
        frame.render_widget(self.accounts(), accounts);
        frame.render_widget(self.calls(), calls);
        let lines: Vec<Line<'_>> = self.events.iter().map(|event| Line::raw(event.as_str())).collect();
        frame.render_widget(Paragraph::new(lines).block(block("Events")), events);
        frame.render_widget(Line::raw(clean(&self.told)).red(), told);
        let keys_line = "↑↓ choose   a answer   h hold/resume   m mute/unmute   x hang up   q quit";
        frame.render_widget(Line::raw(keys_line).dim(), keys);
    }

    fn head(&self) -> Line<'_> {
        if !self.connected {
            return Line::raw("no phoned here; looking for it").red().bold();
        }
        let registered = self.accounts.iter().filter(|account| account["isRegistered"] == true).count();
        let counts = format!(
            "{} {}   {registered} of {} accounts registered   {} calls",
            text(&self.info["name"]),
            text(&self.info["version"]),
            self.accounts.iter().filter(|account| account["register"] == true).count(),
            self.sessions.len()
        );
        Line::raw(counts).bold()
    }

    fn accounts(&self) -> Paragraph<'_> {
        let lines = show::accounts(&self.accounts, false);
        // Their titles say nothing that one does not see.
        let titles = usize::from(!self.accounts.is_empty());
        let row = |(account, line): (Option<&Value>, String)| {
            let is = |key: &str| account.is_some_and(|account| account[key] == true);
            let colour = match (is("isRegistered"), is("register")) {
                (true, _) => Color::Green,
                (false, true) => Color::Red,
                (false, false) => Color::Reset,
            };
            Line::raw(line).fg(colour)
        };
        let of = self.accounts.iter().map(Some).chain(std::iter::repeat(None));
        Paragraph::new(of.zip(lines.into_iter().skip(titles)).map(row).collect::<Vec<_>>()).block(block("Accounts"))
    }

    fn calls(&self) -> Table<'_> {
        let titles = ["", "NUMBER", "NAME", "ACCOUNT", "STATE", "TIME", "MOS", "", "IN dB", "OUT dB"];
        let widths = [1, 18, 18, 12, 26, 7, 4, REPORTS as u16, 6, 6].map(Constraint::Max);
        let rows = self.sessions.iter().map(|session| self.call(session));
        let header = Row::new(titles).style(Style::new().add_modifier(Modifier::DIM));
        Table::new(rows, widths).header(header).block(block("Calls"))
    }

    fn call(&self, session: &Value) -> Row<'_> {
        let (status, metrics) = (&session["status"], &session["metrics"]);
        let is_chosen = session["callId"].as_str() == self.chosen.as_deref();
        let flags = [("isHold", "held"), ("isRemoteHold", "held by peer"), ("isMute", "muted")];
        let ringing = status["isRing"] == true;
        let state = if ringing { "ringing here".to_owned() } else { text(&status["callStatus"]) };
        let flags = flags.iter().filter(|(flag, _)| status[flag] == true).map(|(_, word)| (*word).to_owned());
        let state = std::iter::once(state).chain(flags).collect::<Vec<_>>().join(", ");
        let level = |name: &str| metrics[name].as_f64().map(|db| format!("{db:.0}")).unwrap_or_default();
        let mos = session["callId"].as_str().and_then(|call| self.mos.get(call));
        let last = mos.and_then(VecDeque::back);
        let plot: String = mos.into_iter().flatten().map(|mos| bar(*mos)).collect();
        let colour = last.map_or(Color::Reset, |mos| grade(*mos));
        let row = Row::new([
            Span::raw(if is_chosen { "›" } else { "" }),
            Span::raw(text(&status["number"])),
            Span::raw(text(&status["name"])),
            Span::raw(text(&status["account"])),
            Span::raw(state),
            Span::raw(show::clock(session["timer"]["callDuration"].as_u64())),
            Span::raw(last.map(|mos| format!("{mos:.1}")).unwrap_or_default()).fg(colour),
            Span::raw(plot).fg(colour),
            Span::raw(level("rxLevelDbov")),
            Span::raw(level("txLevelDbov")),
        ]);
        match (ringing, is_chosen) {
            (true, _) => row.yellow().bold(),
            (false, true) => row.bold(),
            (false, false) => row,
        }
    }
}

fn block(title: &str) -> Block<'_> {
    Block::new().borders(Borders::TOP).title(title)
}

fn bar(mos: f64) -> char {
    let step = (mos.clamp(1.0, 4.5) - 1.0) / 3.5 * (BARS.len() - 1) as f64;
    BARS[step.round() as usize]
}

/// G.107's bands: satisfied, some are not, many are not.
fn grade(mos: f64) -> Color {
    match mos {
        4.0.. => Color::Green,
        3.6.. => Color::Yellow,
        _ => Color::Red,
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;

    fn session(call: &str, ring: bool) -> Value {
        json!({
            "callId": call,
            "status": { "number": "100\u{1b}[2J", "name": "", "account": "a", "callStatus": "talking", "isRing": ring },
            "metrics": { "rxLevelDbov": -27.4 },
            "timer": { "callDuration": 61 },
        })
    }

    fn drawn(screen: &Screen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(120, 24)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_call_and_how_it_sounds() {
        let mut screen = Screen { connected: true, ..Screen::default() };
        screen.set_sessions(vec![session("1", false)]);
        for mos in [1.0, 4.5, 2.75] {
            screen.take(&json!({ "event": "callReport", "callId": "1", "data": { "metrics": { "mos": mos } } }));
        }
        screen.take(&json!({ "event": "dtmf", "callId": "1", "data": { "dtmf": "5" } }));
        let text = drawn(&screen);
        for part in ["1 calls", "talking", "1:01", "2.8", "▁█▅", "-27", "dtmf 1 dtmf=5", "100\u{fffd}[2J"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn what_rings_is_chosen_and_a_choice_stays_with_its_call() {
        let mut screen = Screen::default();
        screen.set_sessions(vec![session("1", false), session("2", true), session("3", false)]);
        assert_eq!(screen.chosen().unwrap()["callId"], "2");
        screen.choose(1);
        screen.set_sessions(vec![session("3", false), session("1", false)]);
        assert_eq!(screen.chosen().unwrap()["callId"], "3");
        screen.choose(-1);
        assert_eq!(screen.chosen().unwrap()["callId"], "3");
        screen.set_sessions(vec![]);
        screen.choose(1);
        assert!(screen.chosen().is_none());
        assert!(drawn(&screen).contains("no phoned here"));
    }
}
