"""Measurements that README quotes, behind `mixer-gui bench`. Nothing else imports this package."""
