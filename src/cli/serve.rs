//! `portwarden serve`: start, ready, reload, stop.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sd_notify::NotifyState;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing::level_filters::LevelFilter;

use super::{Assembly, Serve, assemble, notifying, output::say, renewal, signals::Signals};
use crate::{
    acme::Acme,
    config::{Config, Findings, Loaded, LogFormat, LogLevel, LogSettings},
    notifications::Notifications,
    proxy::Service,
    server::{self, Accepting, Address, Admission, Control, Listener, Tls, Watch, Workers},
    state::{State, StateSettings},
    telemetry::{self, Audit, Telemetry},
};

/// Serves until a signal stops it.
pub(super) fn run(serve: &Serve) -> Result<(), String> {
    // Before anything is read: a change from now on is a reason to read it again.
    let mut watch = Watch::new(vec![serve.config.to_path_buf()]);
    let loaded = load(serve)?;
    watch.follow(loaded.config.files.clone());
    let _log = start_logging(loaded.config.log);
    warn(&loaded.warnings);
    let audit = Audit::start(&loaded.config.audit).map_err(|error| error.to_string())?;
    let telemetry = Arc::new(Telemetry { audit, ..Telemetry::default() });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
    let served = runtime.block_on(serve_until_stopped(serve, loaded, watch, &telemetry));
    // A password check that is still running must not hold up the exit.
    runtime.shutdown_timeout(Duration::from_secs(1));
    // After the last transfer: those that are cut off have their lines too.
    telemetry.audit.finish();
    served
}

async fn serve_until_stopped(
    serve: &Serve,
    loaded: Loaded,
    watch: Watch,
    telemetry: &Arc<Telemetry>,
) -> Result<(), String> {
    let Loaded { config, end_marker, .. } = loaded;
    let mut assembly = assemble(&config, None).map_err(|error| error.to_string())?;
    let state = Arc::new(open_state(&config).await?);
    assembly.snapshot.state = Arc::clone(&state);
    let activity = state.record_activity();
    state.store_token_uses();
    state.follow_replicas();
    let listeners = listen(&config)?;
    let redirecting = redirecting(&config, &listeners)?;
    let ready = ready_line(&config, &listeners, &redirecting, assembly.tls.is_some());
    warn_of_plain_http(&listeners, assembly.tls.is_some());
    renewal::tell_of_certificates(&config, &telemetry.metrics);
    let acme = renewal::start(&config, &state)?;
    let Assembly { snapshot, tls } = assembly;
    let service = Arc::new(Service::new(snapshot, Arc::clone(telemetry)));
    service.share_wrong_passwords();
    service.share_freeze();
    let notifications = notifying::start(&config, &service, listeners.iter().find_map(Listener::port))?;
    let mut listening: Vec<Arc<dyn telemetry::Listener>> = vec![Arc::clone(&notifications) as _];
    listening.extend(activity);
    telemetry.events.listen(listening);
    let tls = Arc::new(Tls::new(tls, acme.clone()));
    let (stop, stopped) = watch::channel(false);
    let admission = Admission::new(config.server.limits.clone());
    if let Some(listener) = health_listener(&config)? {
        let watched = (Arc::clone(&service), Arc::clone(&admission));
        tokio::spawn(server::serve_health(listener, watched.0, watched.1, acme.clone(), stopped.clone()));
    }
    if let Some(control) = control(&config, &service, acme.clone())? {
        tokio::spawn(control.serve());
    }
    let served = (Arc::clone(&service), Arc::clone(&tls), Arc::clone(&admission));
    let workers =
        Workers::start().map_err(|error| format!("cannot start the threads of connections: {error}"))?;
    let listen = |listener: Listener| {
        let address = listener.address().unwrap_or_default();
        workers.listen(listener).map_err(|error| format!("cannot wait for connections on {address}: {error}"))
    };
    let mut listening = listeners.into_iter().map(listen).collect::<Result<Vec<_>, _>>()?;
    for (listener, port) in redirecting {
        listening.push(listen(listener)?.redirecting_to(port));
    }
    let server = server::run(listening, served.0, served.1, served.2, Arc::new(workers), stopped);
    let server = tokio::spawn(server);
    // Before readiness is reported: a signal without a handler would end the process.
    let mut signals = Signals::new().map_err(|error| format!("cannot wait for signals: {error}"))?;
    // A closed standard output does not stop a server.
    let _ = say(&ready);
    notify(&[NotifyState::Ready, NotifyState::Status(&ready)]);
    tokio::spawn(watch_registry(Arc::clone(&service)));
    tokio::spawn(prove_storage(Arc::clone(&service)));
    if let Some(acme) = acme {
        tokio::spawn(renewal::keep_renewing(acme));
    }
    let (started_with, failed, notifying) = (config, None, Arc::clone(&notifications));
    let mut reloader =
        Reloader { serve, watch, service, tls, admission, notifying, started_with, end_marker, failed };
    reloader.run_until_stopped(&mut signals).await;
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping: no new connections, transfers may finish");
    let _ = stop.send(true);
    let served = tokio::select! {
        served = server => served.map_err(|error| format!("the server broke down: {error}")),
        () = signals.stop() => {
            tracing::warn!("second signal to stop: transfers are cut off");
            Ok(0)
        }
    };
    // What is pushed and pulled until now is stored, and sent after the next start.
    notifications.finish().await;
    let cut_off = served?;
    state.end_personal_tokens().await;
    state.end_activity().await;
    if cut_off > 0 {
        tracing::warn!(cut_off, "some connections did not end within limits.drain_timeout");
    }
    Ok(())
}

/// Asks from time to time whether a registry answers at `registry.url`, which logs what has changed.
async fn watch_registry(service: Arc<Service>) {
    let mut every = interval(ASK_REGISTRY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let _ = service.ask_registry().await;
    }
}

/// Proves, when it is time to, that `registry.storage` has the files of the registry.
async fn prove_storage(service: Arc<Service>) {
    let mut every = interval(LOOK);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        service.prove_storage().await;
    }
}

/// Binds the listener for metrics and health.
fn health_listener(config: &Config) -> Result<Option<Accepting>, String> {
    let Some(address) = config.metrics else { return Ok(None) };
    let cannot = |error| format!("metrics.addr: cannot listen on {address}: {error}");
    let listener = Listener::bind(&Address::Tcp(address)).map_err(cannot)?;
    tracing::info!(address = listener.address().unwrap_or_default(), "metrics and health");
    listener.accepting().map(Some).map_err(cannot)
}

/// The revocations, before the first request asks for them.
async fn open_state(config: &Config) -> Result<State, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let key = if matches!(config.state, StateSettings::Shared(_)) { "state.url" } else { "state.file" };
    State::open(&config.state, now).await.map_err(|error| format!("{key}: {error}"))
}

/// The socket of `portwarden freeze`.
fn control(
    config: &Config,
    service: &Arc<Service>,
    acme: Option<Arc<Acme>>,
) -> Result<Option<Control>, String> {
    let Some(path) = &config.control else { return Ok(None) };
    let control = Control::bind(path, service, acme).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another portwarden listens there; give this one a path of its own"
            }
            _ => "make its directory, and let the user of the service write there",
        };
        format!("control.socket: cannot listen at {}: {error}; {hint}", path.display())
    })?;
    Ok(Some(control))
}

/// The state of reloads.
struct Reloader<'a> {
    serve: &'a Serve,
    watch: Watch,
    service: Arc<Service>,
    tls: Arc<Tls>,
    admission: Arc<Admission>,
    notifying: Arc<Notifications>,
    /// The configuration whose addresses and sizes were set at the start, and stay.
    started_with: Config,
    /// True if the document end marker `...` closes the file in force: a new version without it may be cut short.
    end_marker: bool,
    /// The error of the last reading, if it failed. It is tried again until it succeeds: a certificate may come after
    /// the configuration that names it.
    failed: Option<String>,
}

/// The interval between checks of the registry.
const ASK_REGISTRY: Duration = Duration::from_secs(30);

/// The interval between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);

impl Reloader<'_> {
    /// Reloads on SIGHUP and on a changed file, feeds systemd's watchdog, and returns on SIGTERM or SIGINT.
    async fn run_until_stopped(&mut self, signals: &mut Signals) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watchdog = sd_notify::watchdog_enabled();
        let mut feed = interval(watchdog.map_or(LOOK, |limit| limit / 2).max(Duration::from_millis(1)));
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.hang_up.recv() => {
                    // A requested reload is always answered, even with the same error again.
                    self.failed = None;
                    self.reload("SIGHUP");
                    if let Some(acme) = self.tls.acme() { acme.wake() }
                }
                _ = look.tick() => {
                    self.service.telemetry().audit.tick();
                    if self.watch.has_changed() || self.failed.is_some() { self.reload("a changed file") }
                }
                _ = feed.tick(), if watchdog.is_some() => notify(&[NotifyState::Watchdog]),
            }
        }
    }

    /// Puts the files as they are now in force; whatever is wrong with them leaves the old policy as it is.
    fn reload(&mut self, why: &str) {
        let told = self.failed.take();
        if told.is_none()
            && let Ok(now) = NotifyState::monotonic_usec_now()
        {
            notify(&[NotifyState::Reloading, now]);
        }
        let telemetry = Arc::clone(self.service.telemetry());
        match self.try_reload() {
            Ok(summary) => {
                telemetry.metrics.reloaded(Ok(()));
                tracing::info!(why, "reloaded: {summary}");
                notify(&[NotifyState::Ready, NotifyState::Status(&format!("reloaded: {summary}"))]);
            }
            Err(error) => {
                if told.as_ref() != Some(&error) {
                    telemetry.metrics.reloaded(Err(()));
                    tracing::error!(why, "not reloaded, the old configuration stays in force: {error}");
                    let status = "not reloaded, see the log; the old configuration is in force";
                    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
                }
                self.failed = Some(error);
            }
        }
    }

    fn try_reload(&mut self) -> Result<String, String> {
        let Loaded { config, warnings, end_marker } = load(self.serve)?;
        if self.end_marker && !end_marker {
            return Err(lost_end_marker(&self.serve.config));
        }
        let before = self.service.snapshot();
        let assembled = assemble(&config, Some(&before));
        let Assembly { snapshot, tls } = assembled.map_err(|error| error.to_string())?;
        let endpoints = self.notifying.prepare(&config.notifications)?;
        renewal::check_reload(&config, self.tls.is_on(), self.tls.acme().map(AsRef::as_ref))?;
        warn(&warnings);
        if needs_restart(&config, &self.started_with) {
            tracing::warn!(
                "log, audit, metrics, control, state, notifications.spool, server.addr, server.redirect_addr and the limits on password checks change with a restart only"
            );
        }
        renewal::tell_of_certificates(&config, &self.service.telemetry().metrics);
        self.service.replace(snapshot);
        self.notifying.replace(endpoints);
        self.tls.replace(tls);
        self.admission.replace(config.server.limits.clone());
        let summary = config.size();
        self.watch.follow(config.files);
        self.end_marker = end_marker;
        Ok(summary)
    }
}

/// The error of a configuration that ends between two lines: it looks whole, and a rule may lack its last condition.
fn lost_end_marker(file: &Path) -> String {
    format!(
        "{}: the file may be cut short: the version in force ends with the document end marker `...`, and this one \
         does not. Write the whole file, with `...` as its last line; to go on without the marker, restart Portwarden",
        file.display()
    )
}

/// Returns true if a setting differs that was bound or sized at the start.
fn needs_restart(new: &Config, old: &Config) -> bool {
    let passwords = |config: &Config| (config.proxy.passwords.concurrent, config.proxy.passwords.queue);
    new.server.addresses != old.server.addresses
        || new.server.redirect_addresses != old.server.redirect_addresses
        || passwords(new) != passwords(old)
        || new.log != old.log
        || (&new.audit, new.metrics, &new.control) != (&old.audit, old.metrics, &old.control)
        || (&new.state, &new.notifications.spool) != (&old.state, &old.notifications.spool)
}

/// The configuration, with what the command line says instead.
fn load(serve: &Serve) -> Result<Loaded, String> {
    let mut loaded = Config::load(&serve.config).map_err(|findings| findings.to_string())?;
    loaded.config.override_with(&serve.listen, serve.registry.as_deref())?;
    Ok(loaded)
}

/// Sockets of systemd, if it hands any over; else those of the configuration.
fn listen(config: &Config) -> Result<Vec<Listener>, String> {
    let inherited =
        server::from_systemd().map_err(|error| format!("cannot use the sockets of systemd: {error}"))?;
    if !inherited.is_empty() {
        return Ok(inherited);
    }
    config.server.addresses.iter().map(bind).collect()
}

/// The listeners that redirect, each with the port that it redirects to: the first that speaks TLS.
fn redirecting(config: &Config, listeners: &[Listener]) -> Result<Vec<(Listener, u16)>, String> {
    let bind = |address| {
        let why = "server.redirect_addr redirects to a TCP port, and the server listens on Unix sockets only";
        let port = listeners.iter().find_map(Listener::port).ok_or(why)?;
        Ok((bind(address)?, port))
    };
    config.server.redirect_addresses.iter().map(bind).collect()
}

fn bind(address: &Address) -> Result<Listener, String> {
    Listener::bind(address).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                ": a port under 1024 needs CAP_NET_BIND_SERVICE; use systemd/portwarden.service, or --listen :8443"
            }
            std::io::ErrorKind::AddrInUse => ": something listens there already; see `ss -ltnp`",
            _ => "",
        };
        format!("cannot listen on {address}: {error}{hint}")
    })
}

/// `listening on https://[::]:443; registry http://127.0.0.1:5000; 4 users, 3 rules`
fn ready_line(config: &Config, listeners: &[Listener], redirecting: &[(Listener, u16)], tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let address = |listener: &Listener| match listener {
        Listener::Unix(..) => listener.address().unwrap_or_default(),
        Listener::Tcp(_) => format!("{scheme}://{}", listener.address().unwrap_or_default()),
    };
    let addresses: Vec<String> = listeners.iter().map(address).collect();
    let registry = &config.proxy.upstream.address;
    let size = config.size();
    let redirects: String = redirecting
        .iter()
        .map(|(listener, _)| format!("; redirecting http://{}", listener.address().unwrap_or_default()))
        .collect();
    let addresses = addresses.join(", ");
    format!("listening on {addresses}{redirects}; registry {registry}; {size}")
}

fn warn_of_plain_http(listeners: &[Listener], tls: bool) {
    for listener in listeners.iter().filter(|listener| !tls && !listener.is_local()) {
        let address = listener.address().unwrap_or_default();
        tracing::warn!(
            address,
            "plain HTTP: passwords and tokens can be read on the way; set server.certificate and server.key"
        );
    }
}

fn start_logging(log: LogSettings) -> impl Drop {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    telemetry::start(level, log.format == LogFormat::Json)
}

fn warn(findings: &Findings) {
    for finding in &findings.0 {
        tracing::warn!("{finding}");
    }
}

/// Tells systemd, where there is one to tell.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot tell systemd");
    }
}
