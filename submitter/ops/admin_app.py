"""Puts the operators' site in the place of Django's own."""

from django.contrib.admin.apps import AdminConfig


class OperatorAdminConfig(AdminConfig):
    """Django's admin with our start page."""

    default_site = "submitter.ops.admin_site.OperatorSite"
