//! What to look at when a machine did not wake.

use std::time::Duration;

use reachability::Answer;

use super::WakeOptions;
use super::sender::Sender;

/// What the last answers of all probes suggest, most likely first.
pub(super) fn on(
    last: &[(String, Duration, Answer)],
    sender: &Sender<'_>,
    options: &WakeOptions,
) -> Vec<String> {
    if let Some(why) = sender.trouble() {
        return vec![format!("no packet left this machine: {why}")];
    }
    let runs = last
        .iter()
        .any(|(_, _, answer)| answer.is_from_a_running_host());
    if runs {
        return vec![
            "the machine is on, it answers: look at the service that does not, and whether it is \
             the one that is asked"
                .to_owned(),
        ];
    }
    let mut advice: Vec<String> = last
        .iter()
        .filter_map(|(target, _, answer)| match answer {
            Answer::Failed { reason } => {
                Some(format!("{target} could not be asked at all: {reason}"))
            }
            _ => None,
        })
        .collect();
    advice.push(format!(
        "is it off, has it power and a cable, is {} its network card, and is that on the network of \
         an interface that was used? Routers, and some Wi-Fi, pass no broadcasts on",
        options.mac
    ));
    advice.push(
        "its BIOS: Wake On LAN enabled for the network card, ErP (deep sleep) disabled; some boards \
         want C-states and C1E enabled"
            .to_owned(),
    );
    advice.push(
        "its system, while it is on: `ethtool IF` must show \"Wake-on: g\" (`ethtool -s IF wol g` sets \
         it until the next boot); on FreeBSD and TrueNAS CORE, `ifconfig -m IF` must list WOL_MAGIC"
            .to_owned(),
    );
    advice
}
