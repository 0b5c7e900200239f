//! Bounds what one place in the program writes into the log for people: a client that fails without end must not fill
//! it, nor hide other lines. Lines left out are counted, and the count is logged when the minute is over.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

/// Lines of each place, since the minute began. There are as many as the program has places, whatever clients do.
pub(super) struct Throttle(Mutex<Minute>);

struct Minute {
    began: Instant,
    places: HashMap<Identifier, CallsiteLines>,
}

#[derive(Default)]
struct CallsiteLines {
    lines: u64,
    /// The message of the first line that was left out.
    message: String,
}

/// Lines of one place in a minute.
const MOST: u64 = 300;
const MINUTE: Duration = Duration::from_secs(60);

impl Throttle {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Minute { began: now, places: HashMap::new() }))
    }

    /// Counts a line; returns whether it is written, and what was left out in a minute that is over.
    fn count(&self, event: &Event<'_>, now: Instant) -> (bool, Vec<(String, u64)>) {
        let mut minute = self.0.lock();
        let mut left_out = Vec::new();
        if now.saturating_duration_since(minute.began) >= MINUTE {
            let over = minute.places.drain().map(|(_, place)| place).filter(|place| place.lines > MOST);
            left_out = over.map(|place| (place.message, place.lines - MOST)).collect();
            minute.began = now;
        }
        let place = minute.places.entry(event.metadata().callsite()).or_default();
        place.lines += 1;
        if place.lines == MOST + 1 {
            event.record(&mut Message(&mut place.message));
        }
        (place.lines <= MOST, left_out)
    }
}

impl<S: Subscriber> Layer<S> for Throttle {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        // Lines for debugging are asked for, and then wanted all.
        if *event.metadata().level() > Level::INFO {
            return true;
        }
        let (is_written, left_out) = self.count(event, Instant::now());
        for (message, lines) in left_out {
            tracing::warn!(lines, "left out within a minute, after {MOST} like them: {message}");
        }
        is_written
    }
}

/// Takes the message of an event, which is a text of the program.
struct Message<'m>(&'m mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;

    /// Counts events of each message.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Written {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut message = String::new();
            event.record(&mut Message(&mut message));
            self.0.lock().push(message);
        }
    }

    #[test]
    fn one_place_hides_no_other_and_what_is_left_out_is_told() {
        let written = Written::default();
        let began = Instant::now().checked_sub(MINUTE - Duration::from_secs(20)).unwrap();
        let throttle = Arc::new(Throttle::new(began));
        let counted = Arc::clone(&throttle);
        let layers = Registry::default().with(written.clone()).with(Shared(throttle));
        tracing::subscriber::with_default(layers, || {
            for _ in 0..1000 {
                tracing::info!(account = "x", "a login failed");
            }
            tracing::info!("another line");
            counted.0.lock().began = began.checked_sub(MINUTE).unwrap();
            tracing::info!("the next minute");
        });
        let count = |text: &str| written.0.lock().iter().filter(|line| line.contains(text)).count();
        assert_eq!((count("a login failed"), count("another line"), count("the next minute")), (300, 1, 1));
    }

    struct Shared(Arc<Throttle>);

    impl<S: Subscriber> Layer<S> for Shared {
        fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
            self.0.event_enabled(event, context)
        }
    }
}
