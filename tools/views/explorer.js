// What Gradio has no part for: boxes in cards, and an address that says what is shown.
{
  let switched, address, later

  addEventListener("change", ({ target }) => {
    const { model, interest } = target.dataset
    if (interest === undefined) return
    switched = target.id
    document.querySelectorAll(`#used-${model} input`)[interest].click()
  })

  new MutationObserver(() => {
    const focus = document.activeElement
    if (switched && focus === document.body) {  // the cards were drawn anew
      document.getElementById(switched)?.focus()
      switched = undefined
    }
    const link = document.querySelector("p.state a")?.getAttribute("href")
    if (link && link !== address) {
      clearTimeout(later)  // browsers refuse too many changes in a short time
      if (address !== undefined) later = setTimeout(() => history.replaceState(null, "", link), 300)
      address = link
    }
  }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ["href"] })
}
