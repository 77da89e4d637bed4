//! Which piece of hardware a device belongs to: the microphone, the loudspeaker and the buttons of a headset are one USB device.

use std::fs;
use std::path::{Path, PathBuf};

/// The USB device that a place in `/sys` is part of, as that device's own place; none: it is no USB device.
pub(super) fn usb_device(place: &Path) -> Option<String> {
    let place = fs::canonicalize(place).ok()?;
    let device = place.ancestors().find(|dir| dir.join("idVendor").is_file())?;
    Some(device.to_string_lossy().into_owned())
}

/// The same of a sound card: by its number, or by the name that ALSA gives it.
pub(super) fn of_card(card: &str) -> Option<String> {
    let cards = Path::new("/sys/class/sound");
    let number = card.bytes().all(|b| b.is_ascii_digit());
    let place = if number { Some(cards.join(format!("card{card}"))) } else { named(cards, card) };
    usb_device(&place?)
}

/// As the sound server tells it: its `sysfs.path` is that of the card, without `/sys`.
pub(super) fn of_sysfs(path: &str) -> Option<String> {
    usb_device(&Path::new("/sys").join(path.trim_start_matches('/')))
}

fn named(cards: &Path, name: &str) -> Option<PathBuf> {
    let is_it = |card: &PathBuf| fs::read_to_string(card.join("id")).is_ok_and(|id| id.trim_end() == name);
    fs::read_dir(cards).ok()?.flatten().map(|entry| entry.path()).find(is_it)
}
