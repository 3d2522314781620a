"""How figures look, and where transactions can be looked up: kept in this browser, for this node."""

from attrs import evolve
from nicegui import ui

from cfd_web.pages.frame import frame
from cfd_web.pages.place import Place, place, remember
from cfd_web.pages.wishes import LOCALES, TXID, Unit, checked_explorer

PRIVACY = (
    "An explorer sees which transactions you look up, and from where. Your own is best. Nothing is asked of it until "
    "you follow a link, and it is told the transaction's id only."
)


async def settings_page() -> None:
    """Units, figures, explorer, tour."""
    here = place()
    with frame(here), ui.card().classes("w-full"):
        ui.label("In this browser").classes("text-lg")
        unit = ui.select(
            {each.value: each.value for each in Unit}, value=here.wishes.unit.value, label="Amounts in"
        ).classes("w-64")
        forms = {name: f"{text} ({name})" if name else text for name, text in LOCALES.items()}
        locale = ui.select(forms, value=here.wishes.locale, label="Figures like").classes("w-64")
        explorer = ui.input(
            "Explorer", value=here.wishes.explorer, placeholder=f"empty: none, or https://.../tx/{TXID}"
        ).classes("w-full max-w-xl")
        ui.label(PRIVACY).classes("text-sm max-w-xl")
        wrong = ui.label("").classes("bad").props('role="alert"')

        def save() -> None:
            try:
                wishes = evolve(
                    here.wishes,
                    unit=Unit(unit.value),
                    locale=locale.value,
                    explorer=checked_explorer((explorer.value or "").strip()),
                )
            except ValueError as error:
                wrong.text = str(error)
                return
            remember(here, wishes, reload=True)

        with ui.row():
            ui.button("Save", on_click=save)
            ui.button("Show the tour again", on_click=lambda: _tour_again(here)).props("outline")


def _tour_again(here: Place) -> None:
    remember(here, evolve(here.wishes, toured=False), reload=False)
    ui.run_javascript("location.assign('/')")
