//! When a question is asked again, over either transport.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tracing::debug;

use crate::TrueNasError;

/// How often a question is asked again.
const RETRIES: usize = 4;

/// A try that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: TrueNasError,
    /// Whether another try can do no harm, whatever came of this one.
    pub(crate) may_repeat: bool,
}

impl Failed {
    /// A try that changes nothing on the NAS.
    pub(crate) fn harmlessly(error: TrueNasError) -> Self {
        Self {
            error,
            may_repeat: true,
        }
    }
}

/// Tries until there is an answer, an error that will not go away, or no time left.
pub(crate) async fn until_answered<T, F: Future<Output = Result<T, Failed>>>(
    request: &str,
    total: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, TrueNasError> {
    // What the last try met, for when the time is over during the next.
    let mut met = None;
    let tries = async {
        let mut pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(5))
            .with_max_times(RETRIES)
            .build();
        loop {
            let Failed { error, may_repeat } = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(pause) = pauses.next().filter(|_| may_repeat && error.is_retryable()) else {
                return Err(error);
            };
            debug!(request, %error, ?pause, "asking again");
            met = Some(error);
            tokio::time::sleep(pause).await;
        }
    };
    let answered = tokio::time::timeout(total, tries).await;
    answered.unwrap_or_else(|_| {
        Err(TrueNasError::Timeout {
            request: request.to_owned(),
            after: total,
            source: met.map(Box::new),
        })
    })
}
