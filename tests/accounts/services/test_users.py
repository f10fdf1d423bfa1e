"""People."""

import time
from statistics import median

import pytest
from django.core.exceptions import ValidationError
from django.test import RequestFactory

from accounts.models import User
from accounts.services.users import EmailTaken, authenticate_user, change_profile, register_user
from tests.factories import PASSWORD, make_user

REQUEST = RequestFactory().post("/")


class TestRegisterUser:
    def test_the_email_is_the_login_in_any_case(self, alice):
        user = register_user(
            email=f" New.{alice.email.upper()} ", password="correct horse battery staple", time_zone="Europe/Paris"
        )
        assert user.email == f"new.{alice.email}"
        assert authenticate_user(request=REQUEST, email=f"NEW.{alice.email}", password="correct horse battery staple") == user

    def test_an_email_is_taken_in_any_case(self, alice):
        with pytest.raises(EmailTaken):
            register_user(email=alice.email.upper(), password="correct horse battery staple")

    @pytest.mark.parametrize("password", ["", "short", "password", "1234567890"])
    def test_a_weak_password_is_refused(self, alice, password):
        with pytest.raises(ValidationError) as refused:
            register_user(email=f"x{alice.email}", password=password)
        assert "password" in refused.value.error_dict
        assert not User.objects.filter(email=f"x{alice.email}").exists()

    @pytest.mark.parametrize("wrong", [{"time_zone": "Mars/Olympus"}, {"base_currency": "usd"}, {"display_name": "a\x00b"}])
    def test_a_wrong_field_is_named(self, alice, wrong):
        with pytest.raises(ValidationError) as refused:
            register_user(email=f"x{alice.email}", password="correct horse battery staple", **wrong)
        assert list(refused.value.error_dict) == list(wrong)


class TestAuthenticateUser:
    def test_the_wrong_password_and_nobody_are_alike(self, alice):
        assert authenticate_user(request=REQUEST, email=alice.email, password=PASSWORD) == alice
        for email, password in ((alice.email, "wrong"), (f"x{alice.email}", PASSWORD), (alice.email, "")):
            assert authenticate_user(request=REQUEST, email=email, password=password) is None

    def test_nobody_costs_the_time_of_a_wrong_password(self, settings):
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
        user = make_user()

        def seconds(email: str) -> float:
            start = time.perf_counter()
            authenticate_user(request=REQUEST, email=email, password="wrong")
            return time.perf_counter() - start

        known, unknown = zip(*((seconds(user.email), seconds(f"x{user.email}")) for _ in range(5)), strict=True)
        assert 0.5 < median(known) / median(unknown) < 2

    def test_somebody_deactivated_is_nobody(self, alice):
        alice.is_active = False
        alice.save()
        assert authenticate_user(request=REQUEST, email=alice.email, password=PASSWORD) is None


class TestChangeProfile:
    def test_only_the_profile_changes(self, alice):
        wishes = {
            "display_name": "Al",
            "time_zone": "Asia/Tokyo",
            "email": "x@example.com",
            "is_staff": True,
            "is_superuser": True,
        }
        changed = change_profile(user=alice, changes=wishes)
        changed.refresh_from_db()
        assert (changed.display_name, changed.time_zone, changed.email) == ("Al", "Asia/Tokyo", alice.email)
        assert not changed.is_staff
        assert not changed.is_superuser
