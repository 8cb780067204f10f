"""A Flask application whose factory makes its Celery application, so that tasks run in the context of the former."""

import celery
from celery import Celery, Task, shared_task
from flask import Flask, current_app, g, jsonify


def celery_for(web):
    """The Celery application of a Flask one, which it finds under ``extensions``."""

    class InContext(Task):
        def __call__(self, *args, **kwargs):
            with web.app_context():
                g.greeting = "hello"
                return self.run(*args, **kwargs)

    app = Celery(web.name, task_cls=InContext)
    app.config_from_object(web.config["CELERY"])
    app.set_default()
    web.extensions["celery"] = app
    return app


def create():
    web = Flask("web")
    web.config.from_mapping(SHOP="herbs", CELERY={"task_ignore_result": False})
    celery_for(web)

    @web.get("/where")
    def where():
        return {"celery": celery.__file__}

    @web.get("/add/<int:x>/<int:y>")
    def begin(x, y):
        return {"id": add.delay(x, y).id}

    @web.get("/result/<id>")
    def end(id):
        result = add.AsyncResult(id)
        return jsonify(ready=result.ready(), value=result.get(timeout=20))

    return web


@shared_task
def add(x, y):
    return [current_app.config["SHOP"], g.greeting, x + y]


web = create()
app = web.extensions["celery"]
