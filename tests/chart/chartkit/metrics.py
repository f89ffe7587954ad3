"""The metrics that there are to ask for, each with its labels."""

EXPORTED = {
    "scheduling_build_info": {"version", "python"},
    "scheduling_plugin_info": {"plugin", "version"},
    "scheduling_http_requests_total": {"method", "route", "status"},
    "scheduling_http_request_duration_seconds_bucket": {"method", "route", "le"},
    "scheduling_http_requests_in_flight": set(),
    "scheduling_database_pool_connections": {"state"},
    "scheduling_outbox_due": set(),
    "scheduling_outbox_rows": {"kind", "state"},
    "scheduling_outbox_oldest_due_seconds": set(),
    "scheduling_outbox_messages_total": {"kind", "state"},
    "scheduling_outbox_delivery_seconds_bucket": {"kind", "le"},
    "scheduling_outbox_relay_errors_total": set(),
    "scheduling_outbox_recovered_leases_total": set(),
}

OF_THE_CLUSTER = {
    # kube-state-metrics
    "kube_pod_container_status_waiting_reason": {"namespace", "pod", "container", "reason"},
}
