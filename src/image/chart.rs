//! The configuration of a Helm chart: its `Chart.yaml`, as JSON (<https://helm.sh/docs/topics/charts/#the-chartyaml-file>,
//! and "Helm chart manifest" of Helm's HIP 6).

use super::json::Json;

/// A chart. What the document does not say, or says in another type, is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HelmChart {
    /// Its name.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The version of the application that it installs.
    pub app_version: Option<String>,
    /// `application` or `library`.
    pub kind: Option<String>,
    /// The versions of Kubernetes that it is for.
    pub kube_version: Option<String>,
    /// Its description.
    pub description: Option<String>,
    /// The address of its home page.
    pub home: Option<String>,
    /// Addresses of its sources.
    pub sources: Vec<String>,
    /// The names of its maintainers.
    pub maintainers: Vec<String>,
    /// Other charts that it needs.
    pub dependencies: Vec<ChartDependency>,
    /// True if it is deprecated.
    pub is_deprecated: bool,
}

/// A chart that another one needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChartDependency {
    /// Its name.
    pub name: String,
    /// The versions that will do.
    pub version: Option<String>,
    /// The place it comes from.
    pub repository: Option<String>,
}

impl HelmChart {
    /// Reads a chart, within the bounds of [`MOST`](super::MOST) and [`LONGEST`](super::LONGEST). `None` for what is no
    /// JSON object.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        Json::read(&text).filter(|document| document.is_object()).map(Self::read)
    }

    fn read(document: Json<'_>) -> Self {
        let [name, version, app_version, kind, kube_version, description, home] = document
            .members(["name", "version", "appVersion", "type", "kubeVersion", "description", "home"])
            .map(|text| text.and_then(Json::words));
        let [sources, maintainers, dependencies, deprecated] =
            document.members(["sources", "maintainers", "dependencies", "deprecated"]);
        let named = |entry: Json<'_>| entry.members(["name"])[0].and_then(Json::words);
        Self {
            name,
            version,
            app_version,
            kind,
            kube_version,
            description,
            home,
            sources: sources.map(Json::texts).unwrap_or_default(),
            maintainers: maintainers
                .map(Json::list)
                .unwrap_or_default()
                .into_iter()
                .filter_map(named)
                .collect(),
            dependencies: dependencies
                .map(Json::list)
                .unwrap_or_default()
                .into_iter()
                .filter_map(ChartDependency::read)
                .collect(),
            is_deprecated: deprecated.is_some_and(Json::is_true),
        }
    }
}

impl ChartDependency {
    fn read(json: Json<'_>) -> Option<Self> {
        let [name, version, repository] =
            json.members(["name", "version", "repository"]).map(|text| text.and_then(Json::words));
        Some(Self { name: name?, version, repository })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_read_as_far_as_it_goes() {
        let chart = HelmChart::parse(
            br#"{"name":"app","version":"2.4.1","appVersion":7,"sources":["https://a.example",1],"deprecated":true,
            "maintainers":[{"name":"ann"},{"email":"x"},3],"dependencies":[{"name":"db","version":">=1"},{"version":"2"}]}"#,
        )
        .unwrap();
        assert_eq!((chart.name.as_deref(), chart.app_version), (Some("app"), None));
        assert_eq!(
            (chart.sources, chart.maintainers),
            (vec!["https://a.example".into()], vec!["ann".into()])
        );
        let needed = ChartDependency { name: "db".into(), version: Some(">=1".into()), repository: None };
        assert_eq!((chart.dependencies, chart.is_deprecated), (vec![needed], true));
        assert_eq!(HelmChart::parse(b"{}"), Some(HelmChart::default()));
        assert_eq!(HelmChart::parse(b"[1]"), None);
    }
}
