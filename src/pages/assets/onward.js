// Sends the one form of the page. Without JavaScript its button does.
document.getElementById("onward").submit();
