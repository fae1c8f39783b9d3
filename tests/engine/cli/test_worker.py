from routenator.engine.cli.worker import WorkerSettings, say_once


def test_what_all_workers_say_is_said_once():
    said = []
    tell = say_once(said.append)
    for text in ("it is down", "it is down", "it is up", "it is down"):
        tell(text)
    assert said == ["it is down", "it is up"]


def test_settings_survive_their_message():
    settings = WorkerSettings("runs/one", 1, 2, 64, {"embedded": ("http://127.0.0.1:1/v1",)})
    message = settings.to_message()
    message["base_urls"] = {name: list(urls) for name, urls in message["base_urls"].items()}  # as JSON has them
    assert WorkerSettings.from_message(message) == settings
