//! How microphones and loudspeakers sound: what is made of them for an account's calls, how loud they are.

use serde_json::{Value, json};

use super::Ua;
use super::command::{DeviceRole, SetVolume};
use super::error::{Code, Error};
use super::io::{DeviceInfo, Output};
use super::settings::Cleaning;

/// The greatest volume, percent.
const LOUDEST: u16 = 150;

impl Ua {
    /// The account's own wishes, else those of `[audio]`.
    pub(super) fn cleaning_for(&self, account: &str) -> Cleaning {
        let all = self.settings.audio.cleaning;
        let Some(own) = self.accounts.get(account).map(|account| &account.settings) else { return all };
        Cleaning {
            echo_cancellation: own.echo_cancellation.unwrap_or(all.echo_cancellation),
            noise_suppression: own.noise_suppression.unwrap_or(all.noise_suppression),
            gain_control: own.gain_control.unwrap_or(all.gain_control),
        }
    }

    /// `device.setVolume`: at once, until the daemon stops.
    pub(super) fn set_volume(&mut self, set: SetVolume) -> Result<Value, Error> {
        if set.volume > LOUDEST {
            return Err(Error::new(Code::InvalidParams, "volume: 0 to 150, percent"));
        }
        if set.role == Some(DeviceRole::Ringer) {
            return Err(Error::new(Code::InvalidParams, "role: input or output").hint("[tones] ringing_volume"));
        }
        let found = self.devices.iter().find(|device| device.id == set.id && device.id != "null");
        let wants = |role| set.role.is_none_or(|wanted| wanted == role);
        let ways = found.map(|d| (d.input && wants(DeviceRole::Input), d.output && wants(DeviceRole::Output)));
        let Some((input, output)) = ways.filter(|(input, output)| *input || *output) else {
            return Err(Error::new(Code::NoInput, format!("no sound device {:?} can do that", set.id))
                .hint("device.list names them"));
        };
        let volume = |on: bool| on.then_some(set.volume);
        self.out.push_back(Output::Volume { id: set.id.clone(), input: volume(input), output: volume(output) });
        let (id, input, output) = (set.id, volume(input), volume(output));
        self.tell_phone("device.volume", json!({"id": id, "inputVolume": input, "outputVolume": output}));
        Ok(Value::Bool(true))
    }

    /// A device, and how loud it is now.
    pub(super) fn device_view(&self, device: &DeviceInfo) -> Value {
        let mut view = serde_json::to_value(device).unwrap_or_default();
        let gauge = self.gauges.iter().find(|gauge| gauge.id == device.id).cloned().unwrap_or_default();
        if let (Value::Object(view), Ok(Value::Object(mut gauge))) = (&mut view, serde_json::to_value(&gauge)) {
            gauge.remove("id");
            view.append(&mut gauge);
        }
        view
    }
}
