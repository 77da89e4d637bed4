//! What the configuration says to the edges, in their own words.

use tokio::sync::watch;

use crate::audio;
use crate::config::{Config, Roles};
use crate::media::MediaConfig;
use crate::media::recorder::{Format, RecordConfig};
use crate::media::sockets::SocketConfig;
use crate::rpc;

/// The devices' part.
pub(super) fn audio_config(config: &Config) -> audio::Config {
    let host = match config.audio.host.as_str() {
        "pulse" => audio::HostChoice::Pulse,
        "alsa" => audio::HostChoice::Alsa,
        "none" => audio::HostChoice::None,
        _ => audio::HostChoice::Auto,
    };
    audio::Config { host, input_volume: config.audio.input_volume, output_volume: config.audio.output_volume }
}

/// The media engine's part.
pub(super) fn media_config(config: &Config, roles: &watch::Receiver<Roles>) -> MediaConfig {
    MediaConfig {
        rtp_ports: config.media.ports(),
        dscp: config.media.dscp,
        record: record_config(config),
        ice: config.webrtc.servers(),
        signals: config.tones.signals(),
        hold_music: config.hold_music(),
        play_dirs: config.audio.play_dirs.clone(),
        sockets: SocketConfig {
            dir: config.rpc.socket_path().with_extension("audio"),
            admit: rpc::who_may_call(roles.clone()),
        },
        ..MediaConfig::default()
    }
}

/// The recordings' part.
pub(super) fn record_config(config: &Config) -> RecordConfig {
    let record = &config.record;
    RecordConfig {
        dir: record.directory(),
        pattern: record.pattern.clone(),
        format: if record.format == "ogg" { Format::Ogg } else { Format::Wav },
        beep: record.beep,
        max_age_days: record.max_age_days,
        max_total_mb: record.max_total_mb,
        min_free_mb: record.min_free_mb,
    }
}
